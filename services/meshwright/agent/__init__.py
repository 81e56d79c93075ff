"""AgentService: sessions, runs, the event protocol and the agent loop."""
