"""What a file names must be there: models, configs, policies, features, segments, versions, evaluation sets."""
