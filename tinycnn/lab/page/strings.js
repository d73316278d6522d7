// Every text of the page, in English and Simplified Chinese. t("name") returns the one of the chosen language.
// What the engine says (equations, steps, refusals) is English in both.

const STRINGS = {
  see: ["See", "观察"],
  train: ["Train", "训练"],
  trainHint: ["One step is forward, backward, update. It is shown in turn beside the maps. Run goes on until you pause.", "一步包括前向、反向、更新，在特征图旁依次显示。“运行”会一直训练到暂停。"],
  trainOn: ["Learn from", "学习对象"],
  onBatch: ["batches of 32 training pictures", "每批 32 张训练图片"],
  onPicture: ["this picture, with the class of the loss", "这张图片，类别取损失所选"],
  optimizer: ["Optimizer", "优化器"],
  lr: ["Learning rate", "学习率"],
  oneStep: ["One step", "走一步"],
  run: ["Run", "运行"],
  pause: ["Pause", "暂停"],
  reset: ["Reset", "重置"],
  filters: ["Filters of the convolutions", "卷积核"],
  stepSays: ["Step {steps}: the loss on this batch was {before}, and is {after}.", "第 {steps} 步：这批数据上的损失原为 {before}，现为 {after}。"],
  runSays: ["{steps} steps, loss {loss}", "{steps} 步，损失 {loss}"],
  accuracySays: ["accuracy on 200 test pictures {accuracy}; dead ReLUs: {dead} of {relus}", "200 张测试图片上准确率 {accuracy}；死亡 ReLU：{dead}/{relus}"],
  curve: ["Loss of each step. Step 1 to {steps}; the loss is {first} at first and {last} at last.", "每一步的损失。第 1 到 {steps} 步；损失从 {first} 到 {last}。"],
  lastStep: ["The last step, shown in turn", "依次查看最近一步"],
  resetSays: ["The network is as it was before the first step.", "网络已恢复到第一步之前。"],
  next: ["Next →", "下一步 →"],
  previous: ["← Previous", "← 上一步"],
  build: ["Build", "搭建"],
  buildHint: ["Change the layers. What cannot work is refused with the reason. The new network knows nothing yet: train it.", "修改各层；不可行的会说明原因。新网络尚未学习，请训练它。"],
  addLayer: ["Add a layer", "添加一层"],
  useNetwork: ["Use this network", "使用此网络"],
  builtSays: ["The page works with the new network now. Train it.", "页面现已使用新网络，请训练。"],
  noChain: ["This network is no plain chain of layers: build a new one here.", "此网络不是简单的层链，可在此新建一个。"],
  cost: ["→ {shape}; {parameters} parameters, {adds} multiply-adds", "→ {shape}；{parameters} 个参数，{adds} 次乘加"],
  planTotal: ["In all {parameters} parameters and {adds} multiply-adds.", "共 {parameters} 个参数，{adds} 次乘加。"],
  kindOf: ["Kind of layer {at}", "第 {at} 层的类型"],
  moveUp: ["Move up", "上移"],
  moveDown: ["Move down", "下移"],
  remove: ["Remove", "删除"],
  python: ["The Python that builds it", "构建它的 Python 代码"],
  copy: ["Copy", "复制"],
  copied: ["Copied.", "已复制。"],
  folders: ["Run folders", "运行文件夹"],
  foldersHint: ["Write the network with its weights below the folder in which the lab was started, or load one from there.", "把网络及其权重写入启动实验室的文件夹之下，或从那里载入。"],
  export: ["Export", "导出"],
  load: ["Load", "载入"],
  exported: ["Written to {folder}.", "已写入 {folder}。"],
  loaded: ["Loaded {folder}.", "已载入 {folder}。"],
  gan: ["GAN", "GAN"],
  toy: ["A GAN on points of the plane", "平面上点的 GAN"],
  toyHint: ["D is the colour: orange says real, purple says generated. Dots are real, rings are generated. Arrows show where D pulls the samples.", "颜色是 D：橙色为真，紫色为生成。实心点为真实，圆圈为生成。箭头表示 D 把样本拉向何处。"],
  toySays: ["{steps} steps; colour from {low} to {high}", "{steps} 步；颜色从 {low} 到 {high}"],
  density: ["Points", "分布"],
  ganLoss: ["Loss", "损失"],
  latent: ["Through the latent space", "漫游隐空间"],
  latentHint: ["Load a run of tinycnn gan. Move from z A to z B, and beside the path with u and v.", "载入 tinycnn gan 的运行。从 z A 走到 z B，用 u 和 v 偏离路径。"],
  noGan: ["There is no run of a GAN in runs/: tinycnn gan makes one.", "runs/ 中没有 GAN 的运行：可用 tinycnn gan 训练一个。"],
  ganClass: ["class", "类别"],
  path: ["A → B", "A → B"],
  verdict: ["D says {logit}: real with probability {real}.", "D 给出 {logit}：为真的概率 {real}。"],
  made: ["G's picture", "G 的图片"],
  sum: ["Arithmetic: a − b + c", "运算：a − b + c"],
  sumOfMeans: ["Each letter is the mean z of those of 400 pictures of G that the network of the See tab calls so.", "每个字母是 G 的 400 张图片中，被“观察”页网络认作该类者的 z 均值。"],
  sumOfPoints: ["Each letter is a random z, a style: G is told the class, so the means of all classes are the same.", "每个字母是一个随机 z，即风格：类别已告知 G，各类的均值并无不同。"],
  addUp: ["Add up", "计算"],
  part: ["{letter}, mean of {samples}", "{letter}，{samples} 个的均值"],
  chain: ["Both networks, from z to the verdict", "两个网络，从 z 到判决"],
  chainHint: ["G's layers, its picture, D's layers. Click a cell: why is it this number?", "G 的各层、图片、D 的各层。点击一个格子：为什么是这个数？"],
  chainBackward: ["Show dL/d(map), L is D's logit for real", "显示 dL/d(特征图)，L 是 D 判为真的 logit"],
  zTitle: ["a0: z, {shape} random numbers", "a0：z，{shape} 个随机数"],
  isZ: ["This is a number of z: it was drawn at random, and nothing computes it.", "这是 z 的一个数：随机抽取，没有算式。"],
  pull: ["dD/d(pixel)", "dD/d(像素)"],
  tour: ["Tour", "导览"],
  tour1: ["Draw a digit here. The network looks at it while you draw.", "在此画一个数字。作画时网络即时识别。"],
  tour2: ["Every layer shows its maps: what its filters found in your picture.", "每一层显示特征图：卷积核在图片中找到了什么。"],
  tour3: ["Click any cell. Here stands why it is this number, term by term, down to the pixels.", "点击任意格子。这里逐项说明为什么是这个数，直到像素。"],
  tour4: ["The backward switch shows the gradient: what would change the loss.", "反向开关显示梯度：什么会改变损失。"],
  tour5: ["In the other tabs the network trains, you build your own, and GANs draw.", "其他标签页中可训练网络、搭建自己的网络，以及看 GAN 作画。"],
  tourSkip: ["Skip", "跳过"],
  tourEnd: ["Done", "完成"],
  save: ["Save as one file", "存为单个文件"],
  savedSays: ["Saved from the tinycnn lab. Click through what was recorded; the engine itself is not in this file.", "由 tinycnn lab 保存。可点击查看已记录的内容；文件中不含引擎。"],
  recordedCells: ["Recorded:", "已记录："],
  notRecorded: ["This was not recorded in the file. Open the lab to see it.", "文件中没有记录这一项。请打开实验室查看。"],
  theme: ["Theme", "主题"],
  starting: ["A small network is learning the digits", "小网络正在学习手写数字"],
  startingSays: ["{done} of {total} steps, loss {loss}, accuracy {accuracy}", "第 {done}/{total} 步，损失 {loss}，准确率 {accuracy}"],
  picture: ["Picture", "图片"],
  pictureHint: ["Draw here, drop or paste a picture, or take one of the test pictures.", "在此作画，拖入或粘贴图片，或选用一张测试图片。"],
  drawing: ["Picture that the network sees. Draw on it with mouse, finger or pen.", "网络看到的图片。可用鼠标、手指或笔作画。"],
  clear: ["Clear", "清除"],
  test: ["Test picture", "测试图片"],
  file: ["File…", "文件…"],
  noise: ["Noise", "噪声"],
  trueLabel: ["Test picture {n}: the true class is {label}.", "测试图片 {n}：真实类别是 {label}。"],
  inverted: ["The picture was dark on bright: it was inverted.", "图片是亮底暗字，已反色。"],
  answer: ["Answer", "答案"],
  answerHint: ["The probability that the network gives each class. Click a bar to see its sum.", "网络给每个类别的概率。点击条形可看它如何算出。"],
  backward: ["Backward", "反向传播"],
  backwardHint: ["How much the loss L would change with each number: red raises it, blue lowers it.", "损失 L 随每个数变化多少：红色使其增大，蓝色使其减小。"],
  backwardSwitch: ["Show dL/d(map) in place of the maps", "显示 dL/d(特征图) 而非特征图"],
  lossOf: ["L = cross-entropy of class", "L = 交叉熵，类别"],
  trueOrAnswer: ["the true one, else the answer", "真实类别，否则取答案"],
  saliency: ["Saliency: |dL/d(pixel)| on the picture", "显著性：在图片上叠加 |dL/d(像素)|"],
  lossSays: ["L = {loss}", "L = {loss}"],
  networkTitle: ["{name}: {parameters} parameters, {adds} multiply-adds", "{name}：{parameters} 个参数，{adds} 次乘加"],
  networkHint: ["Every layer from the picture to the answer. Click a cell, or move to it with the arrow keys and press Enter: why is it this number?", "从图片到答案的每一层。点击一个格子，或用方向键移动后按回车：为什么是这个数？"],
  layerTitle: ["{name} = {says}, {shape}", "{name} = {says}，{shape}"],
  ofArray: ["{says} of {array}", "{says}，输入为 {array}"],
  inputTitle: ["a0: the picture, {shape}", "a0：图片，{shape}"],
  shownOf: ["the first {shown} of {all} channels", "前 {shown} 个通道，共 {all} 个"],
  mapsOf: ["Maps; arrow keys move, Page Up and Page Down change the map, Enter explains.", "特征图；方向键移动，翻页键换图，回车解释。"],
  why: ["Why this number?", "为什么是这个数？"],
  whyHint: ["Click a cell of a map, a unit or a bar: its sum stands here. Click a term to walk further down, and the names above to walk back up.", "点击特征图的格子、神经元或条形：算式会显示在这里。点击某一项继续往下走，点击上方的名称往回走。"],
  slide: ["Slide the window", "滑动窗口"],
  close: ["Close", "关闭"],
  crumbs: ["The way here", "路径"],
  isPicture: ["This is a pixel of the picture: nothing computes it.", "这是图片的一个像素，没有算式。"],
  terms: ["{n} terms, the largest first", "{n} 项，从大到小"],
  showAll: ["Show all {n} terms", "显示全部 {n} 项"],
  windowAndFilter: ["The window, and the filter beside it", "窗口及其旁边的卷积核"],
  cellsRead: ["Cells that were read", "读取的格子"],
  winner: ["the winner", "最大者"],
  standsFor: ["{letter} is {array}", "{letter} 即 {array}"],
  pythonSilent: ["The notebook's Python does not answer. It is busy with another cell, or it was restarted: then run the cell again.", "笔记本的 Python 没有回应：它可能正忙于其他单元，或已重启；若已重启，请重新运行此单元。"],
  disconnected: ["The lab does not answer. It has ended, or this page was open for too long. Trying again…", "实验室没有回应：它可能已结束。正在重试…"],
};

const LANGUAGES = ["en", "zh"];
let language = 0;

/** Choose "en" or "zh", and put the texts into every element that names one. */
export function setLanguage(code) {
  language = Math.max(0, LANGUAGES.indexOf(code));
  document.documentElement.lang = ["en", "zh-CN"][language];
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
}

/** Return a text with {names} replaced. */
export function t(name, values = {}) {
  const text = STRINGS[name]?.[language] ?? STRINGS[name]?.[0] ?? name;
  return text.replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
}

/** Return which language the browser asks for. */
export function preferred() {
  return navigator.language?.startsWith("zh") ? "zh" : "en";
}
