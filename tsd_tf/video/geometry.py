"""Sizes and orientation of pictures: pure functions of arrays (height, width, 3)."""

import cv2
import numpy as np


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture at another size, (width, height) in pixels: averaged where it shrinks, bilinear where it grows."""
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    shrinks = picture.shape[1] > size[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def is_transposed(matrix: np.ndarray) -> bool:
    """Whether a display matrix, see `upright`, exchanges height and width."""
    return abs(matrix[0, 1]) > abs(matrix[0, 0])


def upright(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture turned and mirrored as its display matrix says; angles between are taken for the nearest quarter turn.

    Args:
        picture: as stored.
        matrix: 3 x 3, ISO 14496-12: a pixel at (x, y) is shown at (x, y, 1) times the matrix.
    """
    x_sign, y_sign = matrix[0, 0], matrix[1, 1]
    if is_transposed(matrix):
        picture, x_sign, y_sign = picture.transpose(1, 0, 2), matrix[1, 0], matrix[0, 1]
    return np.ascontiguousarray(picture[:: -1 if y_sign < 0 else 1, :: -1 if x_sign < 0 else 1])


def centre(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle size x size pixels of a picture."""
    top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
    return picture[top : top + size, left : left + size]
