"""The ways to reach a person, and the transports behind them."""
