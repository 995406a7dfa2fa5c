"""The names of engines and precisions, and how far answers may be off; imports no library."""

ENGINES = ("tensorflow", "openvino")
PRECISIONS = ("float32", "bfloat16", "int8")
AUTO = "auto"  # bfloat16 where processor and engine are good for it and the answers within TOLERANCES, else float32

# How far a probability may be from the trained network's, by precision.
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.05, "int8": 0.15}
