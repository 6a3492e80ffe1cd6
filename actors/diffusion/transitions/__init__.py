"""One denoising step as a Gaussian: DDIM and flows."""
