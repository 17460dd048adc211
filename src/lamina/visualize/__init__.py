"""Pictures of training, models and what they compute."""
