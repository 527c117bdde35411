"""The encoders: each file turns sound or text into features."""
