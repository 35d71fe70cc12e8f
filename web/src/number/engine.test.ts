// The engine's words in Chinese, by pattern; what is a name or a formula stays.
import { describe, expect, it } from 'vitest';
import { engineWords, inChinese, notation, settingWords } from './engine';

describe('a phrase of the engine', () => {
  it.each([
    ['first moment', '一阶矩'],
    ['1 / 25 units', '1 / 25 个单元'],
    ['channel 3 of pool1', 'pool1 的通道 3'],
    ['index 2 7 of layer1.conv', 'layer1.conv 第 2 轴的下标 7'],
    ['the max of them', '其中的最大值'],
    ['exp_avg, which starts at 0', '一阶矩 exp_avg，从 0 开始'],
    ['input is an input: given, not computed.', 'input 是输入：给定，而非计算得到。'],
    [
      'median: which of several equal units a median takes is not recorded; only what was recorded is shown.',
      '中位数：几个相等单元中中位数取哪一个没有记录；只显示记录下来的值。',
    ],
    ['x > 0', 'x > 0'],
    ['negative_slope', '负半轴斜率'],
  ])('%s is said as %s', (english, chinese) => expect(inChinese(english)).toBe(chinese));

  it('that holds another one translates that too', () => {
    const note =
      '5 Newton-Schulz steps over the whole 6 x 25 matrix in bfloat16, which has 3 digits: the same steps in float64 give 0.5';
    expect(inChinese(`One factor is not recomputed in float64: ${note}.`)).toMatch(
      /^有一个因子.*对整个 6 × 25 矩阵.*做 5 步.*得 0\.5。$/,
    );
  });

  it('stays as it is in English, and where no pattern knows it', () => {
    expect(engineWords('first moment', 'en')).toBe('first moment');
    expect(inChinese('a phrase of tomorrow')).toBe('a phrase of tomorrow');
  });
});

describe('a setting of an op', () => {
  it.each([
    [
      ['kernel_size', '2 × 2'],
      ['窗口大小', '2 × 2'],
    ],
    [
      ['ceil_mode', 'no'],
      ['尺寸向上取整', '否'],
    ],
    [
      ['a_new_one', 'mean'],
      ['a_new_one', 'mean'],
    ],
  ] as const)('%s is said as %s', (english, chinese) => {
    expect(settingWords(english, 'zh')).toEqual(chinese);
    expect(settingWords(english, 'en')).toEqual(english);
  });
});

describe('the notation of a function', () => {
  it.each([
    ['rsqrt', ['1/sqrt(', 0, ')']],
    ['pow', ['(', 0, ')^', 1]],
    ['a_new_one', ['a_new_one(', 0, ')']],
  ])('%s', (name, pieces) => expect(notation(name)).toEqual(pieces));
});
