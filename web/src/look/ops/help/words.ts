// What ops do, in a sentence, in both languages.
import { words } from '../../../state/words.svelte';

export const t = words({
  'op.conv2d.help': {
    en: 'Slides small kernels over the maps: each value is a weighted sum of a window of all input channels, plus a bias.',
    zh: '用小卷积核在特征图上滑动：每个值是所有输入通道中一个窗口的加权和，再加偏置。',
  },
  'op.conv1d.help': {
    en: 'Slides small kernels along a sequence: each value is a weighted sum of a window of all input channels, plus a bias.',
    zh: '用小卷积核沿序列滑动：每个值是所有输入通道中一个窗口的加权和，再加偏置。',
  },
  'op.conv_transpose2d.help': {
    en: 'A convolution run backward: each input value paints a kernel into a larger map.',
    zh: '反向进行的卷积：每个输入值把一个卷积核画到更大的特征图上。',
  },
  'op.linear.help': {
    en: 'Each unit is a weighted sum of all inputs, plus a bias.',
    zh: '每个单元是所有输入的加权和，再加偏置。',
  },
  'op.matmul.help': {
    en: 'Each value is the product of a row with a column, summed.',
    zh: '每个值是一行与一列对应元素乘积之和。',
  },
  'op.relu.help': { en: 'Keeps what is positive and makes the rest 0.', zh: '保留正值，其余变为 0。' },
  'op.leaky_relu.help': {
    en: 'Keeps what is positive and lets a little of the rest through.',
    zh: '保留正值，其余只通过一小部分。',
  },
  'op.elu.help': {
    en: 'Keeps what is positive; the rest approaches −α smoothly.',
    zh: '保留正值；其余平滑地趋近 −α。',
  },
  'op.gelu.help': {
    en: 'Weighs a value by how likely a normal variable lies below it.',
    zh: '用正态变量小于该值的概率来加权该值。',
  },
  'op.silu.help': { en: 'Weighs a value by its own sigmoid.', zh: '用该值自身的 sigmoid 来加权。' },
  'op.tanh.help': { en: 'Presses every value smoothly into −1 to 1.', zh: '把每个值平滑地压缩到 −1 到 1 之间。' },
  'op.sigmoid.help': { en: 'Presses every value smoothly into 0 to 1.', zh: '把每个值平滑地压缩到 0 到 1 之间。' },
  'op.softplus.help': { en: 'A smooth ReLU, never quite 0.', zh: '平滑的 ReLU，永不为 0。' },
  'op.hardtanh.help': {
    en: 'Keeps values between two bounds; what lies beyond becomes the bound.',
    zh: '保留两个界限之间的值；超出的部分取界限值。',
  },
  'op.max_pool2d.help': {
    en: 'Of each window of a map only the largest value goes on.',
    zh: '特征图的每个窗口中只有最大值继续前进。',
  },
  'op.avg_pool2d.help': { en: 'Each window of a map becomes its mean.', zh: '特征图的每个窗口变为其平均值。' },
  'op.adaptive_avg_pool2d.help': {
    en: 'Divides each map into as many windows as asked for, and takes their means.',
    zh: '把每张特征图分成指定数量的窗口，并取各自的平均值。',
  },
  'op.adaptive_max_pool2d.help': {
    en: 'Divides each map into as many windows as asked for, and takes their largest values.',
    zh: '把每张特征图分成指定数量的窗口，并取各自的最大值。',
  },
  'op.mean.help': { en: 'The mean over some of the axes.', zh: '沿某些轴取平均。' },
  'op.batch_norm.help': {
    en: 'Shifts and scales each channel by its mean and spread over many images, then by two learned numbers.',
    zh: '用每个通道在许多图像上的均值和方差平移缩放，再用两个学习到的数调整。',
  },
  'op.layer_norm.help': {
    en: "Shifts and scales one image's values by their own mean and spread, then by learned numbers.",
    zh: '用一张图像自身各值的均值和方差平移缩放，再用学习到的数调整。',
  },
  'op.group_norm.help': {
    en: 'Shifts and scales each group of channels of one image by its own mean and spread.',
    zh: '用一张图像中每组通道自身的均值和方差平移缩放。',
  },
  'op.dropout.help': {
    en: 'In training it sets random values to 0 and scales up the rest; in use it changes nothing.',
    zh: '训练时随机把一些值置为 0 并放大其余值；使用时不作任何改变。',
  },
  'op.flatten.help': {
    en: 'Lays all maps out as one long vector; no number changes.',
    zh: '把所有特征图排成一个长向量；数值不变。',
  },
  'op.reshape.help': { en: 'The same numbers in another shape.', zh: '同样的数，换一种形状。' },
  'op.permute.help': { en: 'The same numbers with their axes in another order.', zh: '同样的数，轴的顺序不同。' },
  'op.transpose.help': { en: 'The same numbers with two axes exchanged.', zh: '同样的数，交换两个轴。' },
  'op.add.help': {
    en: 'Adds two tensors, number by number: where a skip joins its block.',
    zh: '两个张量逐元素相加：跳跃连接在此汇入。',
  },
  'op.sub.help': { en: 'Subtracts, number by number.', zh: '逐元素相减。' },
  'op.mul.help': {
    en: 'Multiplies, number by number: one decides how much of the other goes on.',
    zh: '逐元素相乘：一个决定另一个能通过多少。',
  },
  'op.div.help': { en: 'Divides, number by number.', zh: '逐元素相除。' },
  'op.cat.help': { en: 'Puts the channels of several tensors one after the other.', zh: '把多个张量的通道依次拼接。' },
  'op.softmax.help': { en: 'Turns scores into probabilities that sum to 1.', zh: '把得分变为总和为 1 的概率。' },
  'op.log_softmax.help': { en: 'The logarithm of the probability of each class.', zh: '每个类别概率的对数。' },
  'op.cross_entropy_loss.help': {
    en: 'How surprised the network is by the true class: minus the logarithm of its probability.',
    zh: '网络对真实类别的意外程度：其概率的负对数。',
  },
  'op.nll_loss.help': { en: 'Minus the log-probability of the true class.', zh: '真实类别对数概率的负值。' },
  'op.embedding.help': { en: 'Looks up a learned vector for each number.', zh: '为每个编号查找一个学习到的向量。' },
  'op.scaled_dot_product_attention.help': {
    en: 'Each position gathers values from all others, weighed by how well its query fits their keys.',
    zh: '每个位置按其查询与其他位置键的匹配程度加权汇集值。',
  },
  'op.other.help': {
    en: 'One step of the computation; open a number to see its exact arithmetic.',
    zh: '计算中的一步；打开一个数即可看到其精确算式。',
  },
});
