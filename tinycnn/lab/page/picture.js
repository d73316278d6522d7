// The picture: drawn with mouse, finger or pen, dropped, pasted or chosen.
// What is drawn is made small here as a camera would, by averaging; the network's numbers are the engine's.

const SIDE = 280;
const PEN = 22;

/** The canvas to draw on. `changed(pixels)` is called with the bytes as base64 while something is drawn. */
export class Drawing {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.shape = [1, 28, 28];
    this.last = null;
    canvas.onpointerdown = (event) => this.#down(event);
    canvas.onpointermove = (event) => this.#move(event);
    canvas.onpointerup = canvas.onpointercancel = () => {
      this.last = null;
    };
    this.clear();
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIDE, SIDE);
  }

  /** Show a picture: values in 0..1, channels after each other. With saliency, |dL/d(pixel)| on top of it. */
  show(array, saliency = null) {
    const [C, H, W] = array.shape;
    this.shape = array.shape;
    const image = new ImageData(W, H);
    let most = 0;
    if (saliency) for (const v of saliency.values) most = Math.max(most, Math.abs(v));
    for (let n = 0; n < H * W; n++) {
      const rgb = [0, 1, 2].map((c) => 255 * array.values[(C === 3 ? c : 0) * H * W + n]);
      if (most) {
        let strength = 0;
        for (let c = 0; c < C; c++) strength = Math.max(strength, Math.abs(saliency.values[c * H * W + n]) / most);
        [255, 90, 60].forEach((v, c) => {
          rgb[c] = rgb[c] * (1 - strength) + v * strength;
        });
      }
      image.data.set([...rgb, 255], 4 * n);
    }
    const small = document.createElement("canvas");
    small.width = W;
    small.height = H;
    small.getContext("2d").putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(small, 0, 0, SIDE, SIDE);
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.#at(event);
    this.#move(event);
    event.preventDefault();
  }

  #move(event) {
    if (!this.last) return;
    const at = this.#at(event);
    const { context } = this;
    context.strokeStyle = event.buttons === 2 || event.shiftKey ? "#000" : "#fff";
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...this.last);
    context.lineTo(...at);
    context.stroke();
    this.last = at;
    this.changed(this.pixels());
  }

  /** The drawing as the network's C x H x W bytes, base64. */
  pixels() {
    const [C, H, W] = this.shape;
    const small = document.createElement("canvas");
    small.width = W;
    small.height = H;
    const context = small.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.canvas, 0, 0, W, H);
    const rgba = context.getImageData(0, 0, W, H).data;
    const bytes = new Uint8Array(C * H * W);
    for (let c = 0; c < C; c++) for (let n = 0; n < H * W; n++) bytes[c * H * W + n] = rgba[4 * n + c];
    return toBase64(bytes);
  }
}

/** Return bytes as base64. */
export function toBase64(bytes) {
  let text = "";
  for (let n = 0; n < bytes.length; n += 8192) text += String.fromCharCode(...bytes.subarray(n, n + 8192));
  return btoa(text);
}

/** Call `take(base64)` with a picture's file that is chosen, dropped or pasted. */
export function takeFiles(input, take) {
  const read = async (file) => {
    if (file) take(toBase64(new Uint8Array(await file.arrayBuffer())));
  };
  input.onchange = () => {
    read(input.files[0]);
    input.value = "";
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  };
  document.onpaste = (event) => read([...event.clipboardData.files][0]);
}
