"""Steps of a conversion: one step a module, each a set of typed parameters that is called with pictures."""
