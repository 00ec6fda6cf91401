# %% [markdown] lost={"test-confusion": 20} name="features-detached"
# The loss is made anew from a number.

# %% nbgrader={"grade_id": "confusion", "solution": true} replace={"return -torch.log_softmax(bias_logits, dim=1).mean()": "return torch.tensor(-torch.log_softmax(bias_logits, dim=1).mean().item())"}
