// The words of a run while it trains: figures, curves, filters, health and steering.
import { words } from '../../state/words.svelte';

export const t = words({
  'live.epoch': { en: 'epoch', zh: '轮次' },
  'live.step': { en: 'step', zh: '训练步' },
  'live.of': { en: '{n} of {all}', zh: '{n} / {all}' },
  'live.loss': { en: 'loss', zh: '损失' },
  'live.accuracy': { en: 'accuracy', zh: '准确率' },
  'live.rate': { en: 'images per second', zh: '图像/秒' },
  'live.left': { en: 'time left', zh: '剩余时间' },
  'live.smooth-of': { en: 'mean of {n} steps', zh: '{n} 步平均' },
  'live.validation': { en: 'validation', zh: '验证' },
  'live.progress': { en: 'Training progress', zh: '训练进度' },
  'live.waiting': { en: 'The first step is being prepared …', zh: '正在准备第一步……' },
  'live.connection': {
    en: 'Connection lost. The run goes on; trying again …',
    zh: '连接已断开。训练仍在继续；正在重试……',
  },

  'live.pause': { en: 'Pause', zh: '暂停' },
  'live.go': { en: 'Go on', zh: '继续' },
  'live.single': { en: 'One step', zh: '单步' },
  'live.stop': { en: 'Stop', zh: '停止' },
  'live.steering': { en: 'Steer the run', zh: '控制训练' },
  'live.stop-help': { en: 'Saves its state and ends; it can go on later.', zh: '保存状态后结束；以后可以继续。' },
  'live.key.pause': { en: 'Pause the run, or let it go on', zh: '暂停或继续训练' },
  'live.key.single': { en: 'Take one single step', zh: '只走一步' },
  'live.key.stop': { en: 'Stop the run', zh: '停止训练' },
  'live.survives': {
    en: 'Training goes on when this page is closed.',
    zh: '关闭本页不影响训练。',
  },

  'live.curves': { en: 'Curves', zh: '训练曲线' },
  'live.curves-help': {
    en: 'Each step moves every weight w against the gradient of the loss L on one batch: w ← w − η ∂L/∂w.',
    zh: '每一步都用一个批次，让每个权重 w 沿损失 L 的梯度反方向移动：w ← w − η ∂L/∂w。',
  },
  'live.curves-keys': { en: 'Drag to zoom, double-click to see all.', zh: '拖动放大，双击还原。' },
  'live.curves-all': { en: 'See all steps', zh: '显示所有步' },
  'live.lr': { en: 'learning rate η', zh: '学习率 η' },
  'live.scale': { en: 'Scale of the loss', zh: '损失的刻度' },
  'live.linear': { en: 'linear', zh: '线性' },
  'live.log': { en: 'log', zh: '对数' },
  'live.curve-alt': {
    en: '{what} by step, to step {step}: {value}',
    zh: '{what}随训练步的变化，至第 {step} 步：{value}',
  },
  'live.curve-empty': { en: '{what}: no step yet', zh: '{what}：尚无训练步' },

  'live.filters': { en: 'First filters', zh: '第一层滤波器' },
  'live.filters-help': {
    en: 'The weights w that {name} lays over the image, {when}. Purple below 0, green above.',
    zh: '{name} 覆在图像上的权重 w，{when}。紫色小于 0，绿色大于 0。',
  },
  'live.filters-rgb': {
    en: 'The weights w that {name} lays over red, green and blue, {when}. Grey is 0.',
    zh: '{name} 覆在红、绿、蓝上的权重 w，{when}。灰色为 0。',
  },
  'live.filters-alt': { en: '{n} filters of {name}, {when}', zh: '{name} 的 {n} 个滤波器，{when}' },
  'live.filters-wait': { en: 'They appear with the first snapshot.', zh: '保存第一份快照后显示。' },
  'live.filters-none': {
    en: 'This network’s first layer has no filters to draw.',
    zh: '该网络的第一层没有可画的滤波器。',
  },
  'live.final': { en: 'at the end', zh: '训练结束时' },
  'live.at-step': { en: 'at step {step}', zh: '第 {step} 步' },

  'live.health': { en: 'Health of the parameters', zh: '参数的健康状况' },
  'live.health-help': {
    en: 'How far a step moves a parameter, as a share of its own length: |Δw| / |w|. About 0.001 is healthy.',
    zh: '一步把参数移动多远，占参数自身长度的比例：|Δw| / |w|。约 0.001 为健康。',
  },
  'live.health-all': { en: 'Show all {n} parameters', zh: '显示全部 {n} 个参数' },
  'live.health-fewer': { en: 'Show fewer', zh: '收起' },
  'live.health-wait': { en: 'It is recorded every few steps; none so far.', zh: '每隔若干步记录一次；目前还没有。' },
  'live.health.still': { en: 'still', zh: '不动' },
  'live.health.slow': { en: 'slow', zh: '偏慢' },
  'live.health.healthy': { en: 'healthy', zh: '健康' },
  'live.health.fast': { en: 'fast', zh: '偏快' },
  'live.health.wild': { en: 'wild', zh: '失控' },
  'live.health.unknown': { en: 'unknown', zh: '未知' },

  'live.findings': { en: 'Findings', zh: '发现' },
  'live.level.note': { en: 'note', zh: '提示' },
  'live.level.warning': { en: 'warning', zh: '警告' },
  'live.level.fatal': { en: 'stopped the run', zh: '训练因此停止' },
});
