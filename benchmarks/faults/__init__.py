"""The fault matrix of a lane call: what must happen when an endpoint fails in each known way."""
