"""Why a model answered as it did: what each feature of given rows added to their probability."""
