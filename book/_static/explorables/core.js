"use strict";
/* The sums behind the explorables: no page, no drawing. Every function is compared with the library's in tests/test_explorables.py. */
(() => {
  function bytesOf(text) {
    const characters = atob(text), bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  }

  /** Numbers in half precision, lowest byte first -> Float32Array. */
  function halves(text) {
    const bytes = bytesOf(text), found = new Float32Array(bytes.length / 2);
    for (let i = 0; i < found.length; i++) {
      const bits = bytes[2 * i] | (bytes[2 * i + 1] << 8);
      const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, rest = bits & 1023;
      if (exponent === 31) throw new Error("a weight is no finite number");
      found[i] = sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -24 * rest);
    }
    return found;
  }

  /** A convolution with zeros around: input [channels][height * width]. */
  function conv(input, size, layer, weight, bias) {
    const { kernel, stride, padding } = layer, channels = input.length;
    const side = Math.floor((size + 2 * padding - kernel) / stride) + 1, output = [];
    for (let out = 0; out < layer.out; out++) {
      const sums = new Float32Array(side * side).fill(bias[out]);
      for (let channel = 0; channel < channels; channel++) {
        const from = input[channel];
        for (let dy = 0; dy < kernel; dy++) for (let dx = 0; dx < kernel; dx++) {
          const factor = weight[((out * channels + channel) * kernel + dy) * kernel + dx];
          for (let y = 0; y < side; y++) {
            const row = y * stride + dy - padding;
            if (row < 0 || row >= size) continue;
            for (let x = 0; x < side; x++) {
              const column = x * stride + dx - padding;
              if (column >= 0 && column < size) sums[y * side + x] += factor * from[row * size + column];
            }
          }
        }
      }
      output.push(sums);
    }
    return [output, side];
  }

  /** Largest of 3 x 3 at every second place. */
  function maxPool(input, size) {
    const side = Math.floor((size - 1) / 2) + 1;
    return [input.map(from => {
      const best = new Float32Array(side * side).fill(-Infinity);
      for (let y = 0; y < side; y++) for (let x = 0; x < side; x++)
        for (let row = Math.max(0, 2 * y - 1); row <= Math.min(size - 1, 2 * y + 1); row++)
          for (let column = Math.max(0, 2 * x - 1); column <= Math.min(size - 1, 2 * x + 1); column++)
            best[y * side + x] = Math.max(best[y * side + x], from[row * size + column]);
      return best;
    }), side];
  }

  /** Both normalisations go into the kernel; their shift is the kernel of a further channel of ones, as in the library. */
  function folded(layer, take) {
    const channels = layer.in, area = layer.kernel ** 2;
    const [gamma, beta, mean, variance] = [0, 1, 2, 3].map(() => take(channels));
    const weight = take(layer.out * channels * area), bias = take(layer.out);
    const all = new Float32Array(layer.out * (channels + 1) * area);
    for (let out = 0; out < layer.out; out++) for (let channel = 0; channel < channels; channel++) {
      const gain = gamma[channel] / Math.sqrt(variance[channel] + layer.eps), scale = gain / layer.std[channel];
      const shift = beta[channel] - gain * (mean[channel] + layer.mean[channel] / layer.std[channel]);
      for (let place = 0; place < area; place++) {
        const one = weight[(out * channels + channel) * area + place];
        all[(out * (channels + 1) + channel) * area + place] = one * scale;
        all[(out * (channels + 1) + channels) * area + place] += one * shift;
      }
    }
    return { weight: all, bias };
  }

  /** An exported network, ready to be asked. */
  function network(exported) {
    const numbers = halves(exported.weights);
    let used = 0;
    const take = count => numbers.subarray(used, used += count);
    const layers = exported.layers.map(layer => {
      if (layer.kind === "normalizedConv") return { ...layer, ...folded(layer, take) };
      if (layer.kind === "conv") return { ...layer, weight: take(layer.out * layer.in * layer.kernel ** 2), bias: take(layer.out) };
      if (layer.kind === "linear") return { ...layer, weight: take(layer.out * layer.in), bias: take(layer.out) };
      if (["maxPool", "relu", "mean", "flatten"].includes(layer.kind)) return layer;
      throw new Error(`the page's code does not know the layer ${layer.kind}`);
    });
    if (used !== numbers.length) throw new Error(`the network has ${numbers.length} numbers and its layers use ${used}`);
    return layers;
  }

  /** Ten logits of one image: three channels of 28 x 28 numbers from 0 to 1. */
  function logits(layers, image) {
    let values = image, size = 28;
    for (const layer of layers) {
      if (layer.kind === "normalizedConv") {
        [values, size] = conv([...values, new Float32Array(size * size).fill(1)], size, layer, layer.weight, layer.bias);
      } else if (layer.kind === "conv") [values, size] = conv(values, size, layer, layer.weight, layer.bias);
      else if (layer.kind === "maxPool") [values, size] = maxPool(values, size);
      else if (layer.kind === "relu") values = values.map(one => one.map(value => Math.max(0, value)));
      else if (layer.kind === "mean") values = values.map(one => Float32Array.of(one.reduce((sum, value) => sum + value, 0) / one.length));
      else if (layer.kind === "linear") {
        const flat = values.map(one => one[0]);
        values = Array.from(layer.bias, (start, out) =>
          Float32Array.of(flat.reduce((sum, value, i) => sum + value * layer.weight[out * layer.in + i], start)));
      }
    }
    return values.map(one => one[0]);
  }

  function softmax(values) {
    const most = Math.max(...values), parts = values.map(value => Math.exp(value - most));
    const sum = parts.reduce((a, b) => a + b, 0);
    return parts.map(part => part / sum);
  }

  /** A grey digit (784 bytes) in a colour of three levels, as the library paints: whole levels from 0 to 255, divided by 255. */
  function paint(grey, levels) {
    return levels.map(level => Float32Array.from(grey, value => Math.floor((value * level + 0.5) / 255) / 255));
  }

  window.lnlCore = { bytesOf, halves, network, logits, softmax, paint };
})();
