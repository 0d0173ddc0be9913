"""What a person sees: waterfalls, galleries, curves."""
