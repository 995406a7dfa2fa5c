"""LiteRT's interpreter, as client, export and benchmarks make it."""

from ai_edge_litert.interpreter import Interpreter

from tsd_tf.contract.native_output import without_chatter


def load(contents: bytes, num_threads: int = 2) -> Interpreter:
    """An interpreter of a TFLite file, its memory allocated, made without a word on stderr.

    Args:
        contents: of the file.
        num_threads: of LiteRT.
    """
    with without_chatter():
        interpreter = Interpreter(model_content=contents, num_threads=num_threads)
        interpreter.allocate_tensors()  # which makes the delegate, and else happens in the first call
    return interpreter
