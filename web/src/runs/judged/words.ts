// The words of a run that has ended: its figures, its errors, its classes, and what it was made from.
import { words } from '../../state/words.svelte';

export const t = words({
  'judged.accuracy': { en: 'accuracy on {split} images', zh: '{split}图像上的准确率' },
  'judged.split.test': { en: 'test', zh: '测试' },
  'judged.split.validation': { en: 'validation', zh: '验证' },
  'judged.split.train': { en: 'training', zh: '训练' },
  'judged.right': { en: '{right} of {n} are right', zh: '{n} 张中 {right} 张判断正确' },
  'judged.interval': { en: '95 % interval {low} to {high}', zh: '95 % 置信区间 {low} 至 {high}' },
  'judged.interval-help': {
    en: 'Other images would give another accuracy; the Wilson interval says how far it may lie.',
    zh: '换一批图像，准确率会略有不同；Wilson 区间给出可能的范围。',
  },
  'judged.majority': { en: 'always naming the most frequent class: {share}', zh: '总猜最常见的类别：{share}' },
  'judged.scale': {
    en: 'Accuracy {accuracy} between {low} and {high}, beside {majority} for always naming the most frequent class',
    zh: '准确率 {accuracy}，介于 {low} 与 {high} 之间；总猜最常见的类别为 {majority}',
  },
  'judged.loss': { en: 'mean loss', zh: '平均损失' },
  'judged.parameters': { en: 'parameters', zh: '参数量' },
  'judged.time': { en: 'training time', zh: '训练用时' },
  'judged.images': { en: 'training images', zh: '训练图像' },
  'judged.unjudged': { en: 'Not judged: this run has no images to judge on.', zh: '未评估：没有可用于评估的图像。' },

  'judged.errors': { en: 'What it gets wrong', zh: '它错在哪里' },
  'judged.errors-help': {
    en: 'The hardest first. Click one to watch the network make that mistake.',
    zh: '最难的在前。点开一张，看网络怎样犯下这个错误。',
  },
  'judged.errors-all': { en: 'All {n} errors', zh: '全部 {n} 个错误' },
  'judged.errors-none': { en: 'Not one error. The hardest images:', zh: '没有任何错误。最难的图像：' },
  'judged.picture': {
    en: '{image}: truth {truth}, predicted {predicted} at {probability}. Look inside.',
    zh: '{image}：真实 {truth}，预测 {predicted}，概率 {probability}。查看内部。',
  },
  'judged.image': { en: '{split} image {n}', zh: '{split}图像 {n}' },

  'judged.confusion': { en: 'Confusion', zh: '混淆矩阵' },
  'judged.confusion-help': {
    en: 'Row: the truth. Column: what the network said. Blue is right, orange is wrong. A cell opens its images.',
    zh: '行是真实类别，列是网络的回答。蓝色为正确，橙色为错误。点击格子查看其中的图像。',
  },
  'judged.confusion-alt': {
    en: 'Confusion matrix of {n} classes; the most confused pairs are listed beside it',
    zh: '{n} 个类别的混淆矩阵；最易混淆的类别对列于旁边',
  },
  'judged.pooled': {
    en: 'Each dot covers {n} × {n} classes and shows the largest share.',
    zh: '每个点代表 {n} × {n} 个类别，显示其中最大的比例。',
  },
  'judged.cell': {
    en: 'truth {truth}, predicted {predicted}: {n} {n|image|images}, {share} of that truth',
    zh: '真实 {truth}，预测 {predicted}：{n} 张，占该真实类别的 {share}',
  },
  'judged.pairs': { en: 'Most confused', zh: '最易混淆' },
  'judged.pairs-none': { en: 'Not one error.', zh: '没有任何错误。' },

  'judged.classes': { en: 'Classes', zh: '各类别' },
  'judged.classes-help': {
    en: 'Precision: of those called k, how many are k. Recall: of the true k, how many are called k.',
    zh: '精确率：被判为 k 的图像中确为 k 的比例。召回率：真实为 k 的图像中被判为 k 的比例。',
  },
  'judged.by.name': { en: 'class', zh: '类别' },
  'judged.by.n': { en: 'images', zh: '张数' },
  'judged.by.precision': { en: 'precision', zh: '精确率' },
  'judged.by.recall': { en: 'recall', zh: '召回率' },
  'judged.by.f1': { en: 'F1', zh: 'F1 值' },

  'judged.gallery.all': { en: 'All images', zh: '所有图像' },
  'judged.gallery.wrong': { en: 'Errors', zh: '错误' },
  'judged.gallery.truth': { en: 'Truth {truth}', zh: '真实为 {truth}' },
  'judged.gallery.predicted': { en: 'Predicted {predicted}', zh: '预测为 {predicted}' },
  'judged.gallery.both': { en: 'Truth {truth}, predicted {predicted}', zh: '真实 {truth}，预测 {predicted}' },
  'judged.gallery.n': { en: '{n} {n|image|images}', zh: '{n} 张图像' },
  'judged.gallery.only-wrong': { en: 'errors only', zh: '只看错误' },
  'judged.gallery.order': { en: 'Order', zh: '排序' },
  'judged.gallery.loss': { en: 'hardest first', zh: '最难在前' },
  'judged.gallery.confidence': { en: 'surest first', zh: '最有把握在前' },
  'judged.gallery.index': { en: 'by number', zh: '按编号' },
  'judged.gallery.more': { en: 'Show more', zh: '显示更多' },
  'judged.gallery.none': { en: 'No image fits.', zh: '没有符合的图像。' },
  'judged.gallery.close': { en: 'Close', zh: '关闭' },

  'judged.recipe': { en: 'Recipe', zh: '训练配方' },
  'judged.recipe-help': { en: 'What differs from the model’s usual stands first.', zh: '与模型惯用值不同的在前。' },
  'judged.recipe-all': { en: 'All {n} knobs', zh: '全部 {n} 个选项' },
  'judged.recipe-usual': { en: 'Everything is as usual for {model}.', zh: '一切都是 {model} 的惯用值。' },
  'judged.recipe-again': { en: 'New run from this recipe', zh: '以此配方新建训练' },
  'judged.usual': { en: 'usually {value}', zh: '通常为 {value}' },
  'judged.on': { en: 'on', zh: '开' },
  'judged.off': { en: 'off', zh: '关' },
  'judged.provenance': { en: 'Provenance', zh: '来历' },
  'judged.provenance-help': { en: 'What it takes to get the same run again.', zh: '再次得到同样结果所需的信息。' },
  'judged.plan': { en: 'Plan of the machine', zh: '机器上的安排' },
  'judged.snapshots': { en: 'Snapshots', zh: '快照' },
  'judged.snapshots-help': {
    en: 'The weights as they were. Click one to look inside at that step.',
    zh: '当时的权重。点开一份，查看那一步的内部。',
  },
  'judged.snapshots-missing': { en: 'Gone from the disk: step {steps}.', zh: '磁盘上已不存在：第 {steps} 步。' },

  'judged.ended.stopped': {
    en: 'Stopped before its end, with its state saved: it goes on from there, not a bit different.',
    zh: '训练在结束前被停止，状态已保存：可从那里继续，结果每一位都相同。',
  },
  'judged.ended.interrupted': {
    en: 'The process that trained it ended without a word. What was saved is intact: it can go on from the last checkpoint. Where the disk was full, free some space first.',
    zh: '训练它的进程意外结束。已保存的内容完好：可从最近的检查点继续。若因磁盘已满，请先腾出空间。',
  },
  'judged.ended.failed': {
    en: 'Training ended early because it could not succeed. Why, and what to try, stands below.',
    zh: '训练因无法成功而提前结束。原因和建议见下。',
  },
});
