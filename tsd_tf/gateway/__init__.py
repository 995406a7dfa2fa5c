"""The cloud's front door: TLS, tokens, limits, decoding; asks TensorFlow Serving or the embedded server."""
