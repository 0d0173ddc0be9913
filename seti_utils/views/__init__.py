"""From panels to images on the device: layout, cleaning, resize, and augmentations with their label rules."""
