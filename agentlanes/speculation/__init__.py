"""Running ahead: effect classes, the window exchange, the effect ledger."""
