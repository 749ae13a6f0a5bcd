print("strata-overlay")
