# %% [markdown] lost={"test-confusion": 20}
# Infinite as soon as a probability underflows, which here is the rule and not the exception.

# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    return -torch.log(torch.softmax(bias_logits, dim=1)).mean()
