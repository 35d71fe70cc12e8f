// What the time slider says, in both languages.
import { words } from '../../state/words.svelte';

export const t = words({
  'time.label': { en: 'Time in training', zh: '训练时间' },
  'time.step': { en: 'step {n} of {all}', zh: '第 {n} 步，共 {all} 步' },
  'time.final': { en: 'final weights', zh: '最终权重' },
  'time.epoch': { en: 'epoch {n}', zh: '第 {n} 轮' },
  'time.loss': { en: 'loss {value}', zh: '损失 {value}' },
  'time.snapshots': { en: '{n} {n|snapshot|snapshots}', zh: '{n} 个快照' },
  'time.value': { en: 'step {n}, loss {value}', zh: '第 {n} 步，损失 {value}' },
  'time.value.bare': { en: 'step {n}', zh: '第 {n} 步' },
  'time.value.final': { en: 'final weights, after step {n}', zh: '最终权重，第 {n} 步之后' },
  'time.play': { en: 'play', zh: '播放' },
  'time.pause': { en: 'pause', zh: '暂停' },
  'time.compare': { en: 'compare', zh: '比较' },
  'time.compare.help': {
    en: 'Pin this step: the page then shows other steps minus this one',
    zh: '固定此步：之后页面显示其他步与此步的差值',
  },
  'time.minus': { en: '{step} minus {other}', zh: '{step} 减去{other}' },
  'time.minus.same': {
    en: 'Step {n} is pinned. Move the slider: everything then shows the difference.',
    zh: '已固定第 {n} 步。移动滑块即可在各处看到差值。',
  },
  'time.minus.same.final': {
    en: 'The final weights are pinned. Move the slider: everything then shows the difference.',
    zh: '已固定最终权重。移动滑块即可在各处看到差值。',
  },
  'time.minus.end': { en: 'Stop comparing', zh: '停止比较' },
  'time.live': { en: 'training now', zh: '正在训练' },
  'time.missing': {
    en: '{n} {n|snapshot is|snapshots are} gone from the disk: {steps}',
    zh: '磁盘上缺少 {n} 个快照：{steps}',
  },
  'time.curve': { en: 'The loss at every step', zh: '每一步的损失' },
});
