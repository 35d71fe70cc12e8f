// What the box of a node says, in both languages.
import { words } from '../../state/words.svelte';

export const t = words({
  'box.module': { en: 'module of {n} {n|op|ops}', zh: '含 {n} 个运算的模块' },
  'box.module.help': {
    en: 'Folded: its last values are shown. Unfold it to see what is inside.',
    zh: '已折叠：显示其最后的值。展开即可查看内部。',
  },
  'box.shape': { en: 'output', zh: '输出' },
  'box.parameters': { en: 'parameters', zh: '参数' },
  'box.flops': { en: 'FLOPs', zh: '浮点运算' },
  'box.field': { en: 'a unit sees', zh: '感受野' },
  'box.field.words': { en: '{n} {n|word|words}', zh: '{n} 个词' },
  'box.field.size': { en: '{rows} × {columns} px', zh: '{rows} × {columns} 像素' },
});
