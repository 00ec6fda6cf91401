# %% [markdown] lost={"test-information": 20}
# The entropy of the shares in bits, the cross-entropy of the probe in nats.

# %% nbgrader={"grade_id": "information", "solution": true}
def read_information(log_probabilities, bias):
    shares = np.bincount(bias) / len(bias)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum() + log_probabilities[np.arange(len(bias)), bias].mean())
