"""Every millisecond of constructed runs, attributed and compared: `make latency-proof`."""
