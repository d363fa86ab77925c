"""Model packages: one .safetensors file whose header carries the model card."""
