"""What runs Floyo: the local stack, images, manifests and templates."""
