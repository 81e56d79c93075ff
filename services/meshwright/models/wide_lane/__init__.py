"""The wide lane: Anthropic, Google, Bedrock and others through pydantic-ai. Needs the extra `models`."""
