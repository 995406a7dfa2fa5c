"""The client: captures, distils with LiteRT, encodes and sends. Imports neither TensorFlow nor Keras."""
