"""Pure picture mathematics: reading and writing, colour, MATLAB resize, PSNR and SSIM (numpy and OpenCV, no torch)."""
