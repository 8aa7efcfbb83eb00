"""The command line: `agentlanes run | bench | up`."""
