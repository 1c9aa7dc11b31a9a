"""Pure picture mathematics: reading and writing, colour, MATLAB resize, scores (numpy and OpenCV, no torch)."""
