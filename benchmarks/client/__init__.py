"""LaneChatModel beside the raw `openai` SDK, langchain-openai and LiteLLM: `make bench-client`."""
