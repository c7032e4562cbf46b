"""The painters behind the demo streets: numpy and OpenCV, no files."""
