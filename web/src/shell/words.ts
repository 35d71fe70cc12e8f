// What the frame around every screen says.
import { words } from '../state/words.svelte';

export const t = words({
  'shell.name': { en: 'Convoscope', zh: 'Convoscope' },
  'shell.skip': { en: 'Skip to the content', zh: '跳到正文' },
  'shell.here': { en: 'You are here', zh: '当前位置' },
  'shell.runs': { en: 'runs', zh: '训练记录' },
  'shell.new': { en: 'new run', zh: '新建训练' },
  'shell.channel': { en: 'channel {n}', zh: '通道 {n}' },
  'shell.unit': { en: 'unit {n}', zh: '单元 {n}' },
  'shell.text.train': { en: 'training text {n}', zh: '训练文本 {n}' },
  'shell.text.validation': { en: 'validation text {n}', zh: '验证文本 {n}' },
  'shell.text.test': { en: 'test text {n}', zh: '测试文本 {n}' },
  'shell.text.own': { en: 'your text', zh: '你的文本' },
  'shell.image.train': { en: 'training image {n}', zh: '训练图像 {n}' },
  'shell.image.validation': { en: 'validation image {n}', zh: '验证图像 {n}' },
  'shell.image.test': { en: 'test image {n}', zh: '测试图像 {n}' },
  'shell.image.own': { en: 'your image', zh: '你的图像' },
  'shell.language': { en: 'Language', zh: '语言' },
  'shell.theme': { en: 'Colours: {choice}. Change.', zh: '配色：{choice}。点击切换。' },
  'shell.theme.light': { en: 'light', zh: '浅色' },
  'shell.theme.dark': { en: 'dark', zh: '深色' },
  'shell.theme.system': { en: 'as the system', zh: '跟随系统' },
  'shell.keys': { en: 'Keyboard shortcuts', zh: '键盘快捷键' },
  'shell.keys.everywhere': { en: 'Everywhere', zh: '任何页面' },
  'shell.keys.help': { en: 'Show this help', zh: '显示此帮助' },
  'shell.keys.close': { en: 'Close', zh: '关闭' },
  'shell.loading': { en: 'Loading …', zh: '正在加载……' },
  'shell.retry': { en: 'Try again', zh: '重试' },
  'shell.reload': { en: 'Load the page anew', zh: '重新加载页面' },
  'shell.levels': { en: 'The levels above', zh: '上面各级' },
  'shell.inside': { en: 'Inside {run}', zh: '{run} 的内部' },
  'shell.dismiss': { en: 'Dismiss', zh: '关闭提示' },
  'shell.nowhere': { en: 'There is no such page', zh: '没有这个页面' },
  'shell.nowhere.hint': {
    en: 'The address may be from another version, or a letter is missing.',
    zh: '这个网址可能来自其他版本，或者少了一个字符。',
  },
  'shell.nowhere.go': { en: 'To the list of runs', zh: '前往训练记录' },

  'problem.Offline': { en: 'Convoscope does not answer', zh: 'Convoscope 没有响应' },
  'problem.Offline.message': {
    en: 'The program behind this page has ended, or the connection is down. A training under way goes on by itself.',
    zh: '此页面背后的程序已经结束，或者连接已断开。正在进行的训练不受影响。',
  },
  'problem.Offline.hint': {
    en: 'Start it again with "convoscope open", then try again.',
    zh: '请用 “convoscope open” 重新启动，然后重试。',
  },
  'problem.Unreadable': { en: 'The answer cannot be read', zh: '无法读取返回的内容' },
  'problem.Unreadable.hint': {
    en: 'Another program may answer at this address, or the page is from another version. Load it anew.',
    zh: '可能是其他程序占用了这个地址，或者页面版本不一致。请重新加载页面。',
  },
  'problem.BrokenPack': { en: 'The numbers arrived damaged', zh: '收到的数据已损坏' },
  'problem.BrokenPack.hint': { en: 'Nothing of them is shown. Try again.', zh: '这些数据不会显示。请重试。' },
  'problem.Page': { en: 'This page made a mistake', zh: '页面出现了错误' },
  'problem.Page.hint': {
    en: 'Your runs are safe. Load the page anew; if it happens again, please report the sentence above.',
    zh: '你的训练记录没有受到影响。请重新加载页面；如果再次出现，请反馈上面这句话。',
  },
  'problem.OtherVersion': { en: 'This page is of another version', zh: '页面版本不一致' },
  'problem.OtherVersion.message': {
    en: 'Convoscope has been renewed since the page was opened, and this part of it is no longer there.',
    zh: '打开此页面之后，Convoscope 已经更新，页面的这一部分不复存在。',
  },
  'problem.OtherVersion.hint': {
    en: 'Load the page anew: it opens where you are.',
    zh: '请重新加载页面：它会回到你现在的位置。',
  },
  'problem.Forbidden': { en: 'This is not allowed', zh: '不允许此操作' },
  'problem.Forbidden.message': {
    en: 'The server does not take this request from this page.',
    zh: '服务器不接受来自此页面的这个请求。',
  },
  'problem.Forbidden.hint': {
    en: 'Open the page at the address that "convoscope open" prints.',
    zh: '请从 “convoscope open” 给出的网址打开页面。',
  },
  'problem.UnknownName': { en: 'This name is not known', zh: '没有这个名称' },
  'problem.UnknownName.message': {
    en: 'The address names a layer, a class or an image that this network does not have.',
    zh: '网址中的层、类别或图像在这个网络中不存在。',
  },
  'problem.UnknownName.hint': { en: 'Go up a level, and choose it there.', zh: '请返回上一级，在那里选择。' },
  'problem.RecipeError': { en: 'This recipe does not work', zh: '训练配置有误' },
  'problem.RecipeError.message': {
    en: 'A knob is out of its bounds, or two contradict each other.',
    zh: '某个选项超出了范围，或者两个选项互相矛盾。',
  },
  'problem.RecipeError.hint': {
    en: 'Change the knob that the sentence below names.',
    zh: '请修改下面这句话提到的选项。',
  },
  'problem.DataError': { en: 'These data cannot be used', zh: '这些数据无法使用' },
  'problem.DataError.message': {
    en: 'The data or their labels are not what training needs, or they have moved.',
    zh: '数据或标签不符合训练的要求，或者已被移走。',
  },
  'problem.DataError.hint': {
    en: 'Look at the folder that was given: its place, and what is in it.',
    zh: '请检查所给的文件夹：它的位置，以及其中的内容。',
  },
  'problem.BrokenImage': { en: 'This image cannot be read', zh: '无法读取这张图像' },
  'problem.BrokenImage.message': {
    en: 'The file is damaged, or of a kind that is not known here.',
    zh: '文件已损坏，或者格式不受支持。',
  },
  'problem.BrokenImage.hint': {
    en: 'Give another image: PNG, JPEG and other common kinds are read.',
    zh: '请换一张图像：支持 PNG、JPEG 等常见格式。',
  },
  'problem.ModelError': { en: 'The model cannot take this', zh: '模型无法处理这样的输入' },
  'problem.ModelError.message': { en: 'The model does not take such data.', zh: '该模型不接受这样的数据。' },
  'problem.ModelError.hint': {
    en: 'Choose another model, or another size of the images.',
    zh: '请更换模型，或更换图像大小。',
  },
  'problem.NoRun': { en: 'There is no such run', zh: '没有这次训练' },
  'problem.NoRun.message': {
    en: 'No run of this name is in the folder of runs: it was removed or renamed, or the address has a mistake.',
    zh: '训练文件夹中没有这个名称的训练：它已被删除或改名，或者网址有误。',
  },
  'problem.NoRun.hint': { en: 'Choose one from the list of runs.', zh: '请从训练记录中选择一个。' },
  'problem.RunError': { en: 'This run cannot be used', zh: '这次训练无法使用' },
  'problem.RunError.message': {
    en: 'What is asked of the run is not there yet, or its files cannot be read.',
    zh: '所要的内容这次训练还没有，或者它的文件无法读取。',
  },
  'problem.RunError.hint': {
    en: 'See whether it has finished; restore what is damaged from a copy.',
    zh: '请查看训练是否已经完成；损坏的文件请用副本恢复。',
  },
  'problem.BrokenRun': { en: 'This run cannot be read', zh: '无法读取这次训练' },
  'problem.BrokenRun.message': {
    en: 'Files in its folder are missing or damaged, or a newer version of Convoscope wrote them.',
    zh: '其文件夹中的文件缺失或已损坏，或者由更新版本的 Convoscope 写成。',
  },
  'problem.BrokenRun.hint': {
    en: 'The other runs are not touched. Restore the folder from a copy, or remove it.',
    zh: '其他训练不受影响。请用副本恢复该文件夹，或将其删除。',
  },
  'problem.InputError': { en: 'This cannot be used', zh: '无法使用所给的内容' },
  'problem.InputError.message': {
    en: 'What was given is not what is asked for here.',
    zh: '所给的内容不符合这里的要求。',
  },
  'problem.InputError.hint': { en: 'Change it as the sentence below says.', zh: '请按下面这句话修改。' },
  'problem.StorageError': { en: 'The disk said no', zh: '磁盘读写失败' },
  'problem.StorageError.message': { en: 'The disk is full, read-only, or gone.', zh: '磁盘已满、只读，或已断开。' },
  'problem.StorageError.hint': {
    en: 'Make room or restore access, then try again. What was saved before is intact.',
    zh: '请腾出空间或恢复访问，然后重试。此前保存的内容完好无损。',
  },
  'problem.DownloadError': { en: 'The file could not be fetched', zh: '文件下载失败' },
  'problem.DownloadError.message': {
    en: 'The connection broke, or the file is not the one that was promised.',
    zh: '连接中断，或者文件与预期不符。',
  },
  'problem.DownloadError.hint': {
    en: 'Try again later, or give a copy that you have.',
    zh: '请稍后重试，或使用已有的副本。',
  },
  'problem.TrainingFailed': { en: 'The training went wrong', zh: '训练失败' },
  'problem.TrainingFailed.message': {
    en: 'The numbers left all bounds, or nothing was learnt at all.',
    zh: '数值失控，或者什么也没有学到。',
  },
  'problem.TrainingFailed.hint': {
    en: 'Train anew with a smaller learning rate, or with other data.',
    zh: '请用更小的学习率或其他数据重新训练。',
  },
  'problem.MissingPackage': { en: 'A package is missing', zh: '缺少软件包' },
  'problem.MissingPackage.message': {
    en: 'This needs a package that is not installed.',
    zh: '此功能需要一个尚未安装的软件包。',
  },
  'problem.MissingPackage.hint': {
    en: 'Install it with the command below, then try again.',
    zh: '请用下面的命令安装，然后重试。',
  },
  'problem.Busy': { en: 'Too much at once', zh: '请求过多' },
  'problem.Busy.message': {
    en: 'More is being asked than this machine can do at once.',
    zh: '同时提出的请求超出了这台机器的能力。',
  },
  'problem.Busy.hint': { en: 'Wait a moment, then try again.', zh: '请稍候再试。' },
  'problem.Fault': { en: 'Convoscope made a mistake', zh: 'Convoscope 出现了错误' },
  'problem.Fault.message': {
    en: 'Something in the program itself is broken. Your runs are safe.',
    zh: '程序自身出现了故障。你的训练记录没有受到影响。',
  },
  'problem.Fault.hint': {
    en: 'Please report the sentence below, with what you did.',
    zh: '请反馈下面这句话，以及你做了什么。',
  },
  'problem.other': { en: 'Something went wrong', zh: '出现了问题' },
});
