"""Labelled street scenes rendered from the art of the racing game TORCS.

The source domain of the task torcs2camvid. ``art`` reads the art, ``layout`` puts it
along a random street (numpy alone), ``view`` draws a camera and a weather, ``raster``
renders both with OpenGL, ``finish`` turns the result into an image and its labels, and
``job`` writes a folder of them.
"""
