"""A version must have shown what the model's contract asks for before it may be deployed."""
