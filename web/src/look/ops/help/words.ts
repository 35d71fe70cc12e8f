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
    en: "Shifts and scales one example's values by their own mean and spread, then by learned numbers.",
    zh: '用一个样本自身各值的均值和方差平移缩放，再用学习到的数调整。',
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
  'op.getitem.help': {
    en: 'One part of a value that was taken apart: a row, a word, a gate.',
    zh: '被拆开的值的一部分：一行、一个词或一个门。',
  },
  'op.stack.help': {
    en: 'Lays several values of one shape on top of each other, along a new axis.',
    zh: '把形状相同的多个值沿新的轴叠在一起。',
  },
  'op.where.help': {
    en: 'Takes each number from one of two values, as a mask says: padding keeps what was there.',
    zh: '按掩码从两个值之一取每个数：填充处保持原值。',
  },
  'op.masked_fill.help': {
    en: 'Puts one number wherever a mask says so, and leaves the rest.',
    zh: '掩码所指之处填入一个数，其余不变。',
  },
  'op.zeros.help': { en: 'Nothing but 0: the state before the first step.', zh: '全为 0：第一步之前的状态。' },
  'op.full.help': { en: 'One number everywhere.', zh: '处处是同一个数。' },
  'op.ones.help': { en: 'Nothing but 1.', zh: '全为 1。' },
  'op.ne.help': {
    en: 'Says where two values differ: here, where there is a word and no padding.',
    zh: '指出两个值哪里不同：例如哪里是词而不是填充。',
  },
  'op.eq.help': { en: 'Says where two values are equal.', zh: '指出两个值哪里相等。' },
  'op.gt.help': { en: 'Says where one value is greater than another.', zh: '指出一个值在哪里大于另一个。' },
  'op.logical_not.help': { en: 'Turns yes into no.', zh: '把是变为否。' },
  'op.unsqueeze.help': {
    en: 'The same numbers with one axis more, of length 1.',
    zh: '同样的数，多一个长度为 1 的轴。',
  },
  'op.squeeze.help': { en: 'The same numbers without an axis of length 1.', zh: '同样的数，去掉长度为 1 的轴。' },
  'op.expand.help': { en: 'The same numbers again and again along an axis.', zh: '沿某个轴反复使用同样的数。' },
  'op.slice.help': { en: 'Some of the places along one axis.', zh: '某个轴上的一段。' },
  'op.select.help': { en: 'One place along one axis.', zh: '某个轴上的一处。' },
  'op.index.help': { en: 'Picks places by their numbers.', zh: '按编号挑选各处的值。' },
  'op.gather.help': { en: 'Picks, place by place, the number that an index names.', zh: '逐处取出索引所指的数。' },
  'op.amax.help': { en: 'The largest over some of the axes.', zh: '沿某些轴取最大值。' },
  'op.amin.help': { en: 'The smallest over some of the axes.', zh: '沿某些轴取最小值。' },
  'op.max.help': { en: 'The largest along an axis, and where it is.', zh: '沿轴取最大值及其位置。' },
  'op.sum.help': { en: 'The sum over some of the axes.', zh: '沿某些轴求和。' },
  'op.sort.help': {
    en: 'Puts numbers in order, and remembers where each came from.',
    zh: '把数排序，并记住各自原来的位置。',
  },
  'op.topk.help': {
    en: 'The k largest (or smallest) along an axis, and where they are.',
    zh: '沿轴最大（或最小）的 k 个及其位置。',
  },
  'op.one_hot.help': {
    en: 'A row of zeros with a 1 at the place that a number names.',
    zh: '一行 0，编号所指之处为 1。',
  },
  'op.distances.help': {
    en: 'How far the image is from each one that is kept.',
    zh: '该图像与每个存下的图像之间的距离。',
  },
  'op.detach.help': {
    en: 'The same numbers; no gradient flows back through here.',
    zh: '同样的数；梯度不从这里回传。',
  },
  'op.to.help': { en: 'The same numbers in another format.', zh: '同样的数，换一种数值格式。' },
  'op.clone.help': { en: 'The same numbers.', zh: '同样的数。' },
  'op.pad.help': { en: 'Puts a border around each map.', zh: '在每张特征图周围加一圈。' },
  'op.square.help': { en: 'Each number times itself.', zh: '每个数乘以自身。' },
  'op.abs.help': { en: 'Each number without its sign.', zh: '每个数去掉符号。' },
  'op.pow.help': { en: 'Each number to a power.', zh: '每个数的幂。' },
  'op.sqrt.help': { en: 'The square root of each number.', zh: '每个数的平方根。' },
  'op.exp.help': { en: 'e to the power of each number.', zh: 'e 的各数次幂。' },
  'op.log.help': { en: 'The natural logarithm of each number.', zh: '每个数的自然对数。' },
  'op.neg.help': { en: 'Each number with its sign turned.', zh: '每个数取相反数。' },
  'op.rsub.help': { en: 'Subtracts, number by number.', zh: '逐元素相减。' },
  'op.clamp.help': {
    en: 'Keeps what lies between two bounds; what lies beyond becomes the bound.',
    zh: '保留界限之内的值；超出的取界限值。',
  },
  'op.avg_pool1d.help': { en: 'Each window of a sequence becomes its mean.', zh: '序列的每个窗口变为其平均值。' },
  'op.avg_pool3d.help': {
    en: 'Each window becomes its mean; over neighbouring channels it is what a local response norm divides by.',
    zh: '每个窗口变为其平均值；跨相邻通道时，即局部响应归一化的除数。',
  },
  'op.max_pool1d.help': {
    en: 'Of each window of a sequence only the largest value goes on.',
    zh: '序列的每个窗口中只有最大值继续前进。',
  },
  'op.adaptive_max_pool1d.help': {
    en: 'Of each window of a sequence only the largest value goes on.',
    zh: '序列的每个窗口中只有最大值继续前进。',
  },
  'op.mse_loss.help': { en: 'The mean square of what is missing to the target.', zh: '与目标之差的平方的平均值。' },
  'op.other.help': {
    en: 'One step of the computation; open a number to see its exact arithmetic.',
    zh: '计算中的一步；打开一个数即可看到其精确算式。',
  },
});
