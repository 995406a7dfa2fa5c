"""What runs the cloud half: TensorFlow or OpenVINO, in one precision or another."""
