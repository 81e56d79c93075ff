"""The fast lane: any endpoint that speaks OpenAI's chat-completions streaming protocol."""
