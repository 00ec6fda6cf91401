# %% [markdown] lost={"test-step": 30}
# f raises the sum of Q log Q.

# %% nbgrader={"grade_id": "step", "solution": true}
def gradients(w_f, w_g, w_h, x, y, b, mi_weight, adv_weight):
    f, g, h = (weights.clone().requires_grad_() for weights in (w_f, w_g, w_h))
    z = x @ f
    label, bias = F.cross_entropy(z @ g, y), F.cross_entropy(z @ h, b)
    log_q = torch.log_softmax(z @ h, dim=1)
    entropy_term = (log_q.exp() * log_q).sum(dim=1).mean()
    (of_f,) = torch.autograd.grad(label - mi_weight * entropy_term - adv_weight * bias, f, retain_graph=True)
    (of_g,) = torch.autograd.grad(label, g, retain_graph=True)
    (of_h,) = torch.autograd.grad(bias, h)
    return {"f": of_f, "g": of_g, "h": of_h}
