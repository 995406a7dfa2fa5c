"""An embedded server of the cloud half that speaks TensorFlow Serving's protocol."""
