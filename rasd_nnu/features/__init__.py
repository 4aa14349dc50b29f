"""What a frozen network makes of images: dense features, how well they separate, pictures of them."""
