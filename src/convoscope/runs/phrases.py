"""Every sentence of a run's report, in English and Simplified Chinese.

`{...}` are filled in; both languages name the same ones.
"""

from __future__ import annotations

Phrase = tuple[str, str]  # English, Simplified Chinese

# fmt: off
PHRASES: dict[str, Phrase] = {
    "split_train": ("training", "训练"),
    "split_test": ("test", "测试"),
    "split_validation": ("validation", "验证"),
    "right_of": ("of {n} {split} images are right", "的{split}图像判断正确，共 {n} 张"),
    "wrong": ("{n} wrong", "错 {n} 张"),
    "mean_loss": ("mean loss {loss}", "平均损失 {loss}"),
    "interval": ("95 % interval {low} to {high}", "95 % 置信区间 {low} 至 {high}"),
    "majority": ("always the most frequent class: {share}", "总猜最常见的类别：{share}"),
    "knn_is": ("{k} nearest neighbours in pixels: {share}", "按像素取 {k} 个近邻：{share}"),
    "interval_help": ("Other images would give another accuracy p; the 95 % Wilson interval says how far it may lie.",
                      "换一批图像，准确率 p 会略有不同；95 % Wilson 区间给出可能的范围。"),
    "balanced_accuracy": ("balanced accuracy", "平衡准确率"),
    "macro_f1": ("macro F1", "宏平均 F1"),
    "top_5": ("top-5 accuracy", "前五准确率"),
    "calibration_error": ("calibration error", "校准误差"),
    "calibrated_error": ("calibration error, calibrated", "校准后的校准误差"),
    "figures_help": (
        (
            "Balanced accuracy is the mean recall of the classes, macro F1 their mean F1; beside them 95 % intervals "
            "by 2,000 bootstrap resamples of the images judged, not stratified."
        ),
        (
            "平衡准确率为各类召回率的平均，宏平均 F1 为各类 F1 的平均；旁边是对所评估图像作 2,000 次自助重抽样（不分层"
            "）所得的 95 % 区间。"
        ),
    ),
    "limits": ("What these figures do not say", "这些数字没有说明的事"),
    "limits_help": ("Read this before you rely on them.", "依据这些数字之前，请先读这里。"),
    "limit_no_test": (
        (
            "The data have no test part. What is judged is the validation part, which the temperature was found on "
            "too; on examples that were never looked at the figures may be lower."
        ),
        "数据没有测试部分。评估用的是验证部分，温度也是在它上面确定的；对从未用过的样本，数字可能更低。",
    ),
    "limit_no_test_patience": (
        (
            "The data have no test part. What is judged is the validation part, by which training was stopped and the "
            "weights were chosen; on examples that were never looked at the figures are probably lower."
        ),
        (
            "数据没有测试部分。评估用的是验证部分，而训练何时停止、保留哪份权重也由它决定；对从未用过的样本，数字很可"
            "能更低。"
        ),
    ),
    "limit_wide": ("{n} examples were judged: the accuracy is known to about ± {half} points.",
                   "只评估了 {n} 个样本：准确率的误差约为 ± {half} 个百分点。"),
    "limit_small": ("{n} of {K} classes have fewer than {least} examples judged: their own figures are rough.",
                    "{K} 个类别中有 {n} 个的评估样本不足 {least} 个：这些类别各自的数字只是粗略的。"),
    "limit_absent": ("No example was judged of: {names}. The means over classes leave them out.",
                     "以下类别没有评估样本：{names}。各类平均不包括它们。"),
    "limit_untrained": ("The network has never seen an example of: {names}.", "网络从未见过以下类别的样本：{names}。"),
    "limit_leaked": (
        "Some examples judged are also among those learnt from (see the findings): the figures are too good.",
        "部分评估样本也出现在训练样本中（见“发现”）：数字偏高。",
    ),
    "limit_groups": ("Some groups judged are also among those learnt from (see findings): the figures are too good.",
                     "部分评估分组也出现在训练中（见“发现”）：数字偏高。"),
    "limit_alike": (
        (
            "Some examples judged look like ones learnt from, resized or taken right after them (see the findings): "
            "the figures are probably too good."
        ),
        "部分评估样本与训练样本十分相似，例如缩放过或紧接着拍摄（见“发现”）：数字很可能偏高。",
    ),
    "limit_repeated": (
        (
            "Some examples judged are copies of one another (see the findings). The intervals count each copy, and "
            "are narrower than they should be."
        ),
        "部分评估样本互为副本（见“发现”）。区间把每个副本都计入，因此比应有的窄。",
    ),
    "limit_conflict": ("Equal examples have different labels (see the findings): no network can be right about both.",
                       "相同的样本带有不同的标注（见“发现”）：任何网络都不可能两者皆对。"),
    "limit_left_out": ("{n} files could not be read, and nothing was learnt from them or judged on them.",
                       "有 {n} 个文件无法读取，既未用于训练，也未用于评估。"),
    "limit_one_run": (
        (
            "The intervals speak of other examples of the same origin. Another seed would give another network, and "
            "examples of another origin (camera, place, time) may be harder."
        ),
        "区间只针对同一来源的其他样本。换一个随机种子会得到另一个网络；其他来源（相机、地点、时间）的样本可能更难。",
    ),
    "parts": ("The data", "数据"),
    "parts_help": ("What was learnt from, what was watched, and what was judged once, at the end.",
                   "用来学习的、用来观察的，以及最后只评估一次的样本。"),
    "part": ("part", "部分"),
    "classes_there": ("classes", "类别数"),
    "how_cut": ("where it comes from", "由来"),
    "how_own": ("as the data have it", "数据自带"),
    "how_rest": ("what is left of the training examples", "训练样本的其余部分"),
    "how_share": ("{share} of each class, drawn with seed {seed}", "每类抽取 {share}，随机种子 {seed}"),
    "how_fold": ("fold {fold} of {folds}, equal in every class, seed {seed}",
                 "{folds} 折中的第 {fold} 折，各类均分，随机种子 {seed}"),
    "how_group": ("{share} of the examples, {group} never cut apart, seed {seed}",
                  "抽取 {share} 的样本，同一 {group} 不拆开，随机种子 {seed}"),
    "how_group_fold": ("fold {fold} of {folds}, {group} never cut apart, seed {seed}",
                       "{folds} 折中的第 {fold} 折，同一 {group} 不拆开，随机种子 {seed}"),
    "left_out": ("{n} files that could not be read were left out", "无法读取而略去的文件：{n} 个"),
    "left_out_more": ("{n} more stand in quarantine.json.", "另有 {n} 个列于 quarantine.json。"),
    "compared": ("Beside simpler ways", "与简单方法相比"),
    "compared_help": ("On the same examples. The difference has a 95 % interval by the paired bootstrap.",
                      "在相同的样本上比较。差值附有配对自助法的 95 % 区间。"),
    "way": ("way", "方法"),
    "way_majority": ("always {name}, the most frequent of training", "总猜训练中最常见的 {name}"),
    "way_knn": ("{k} nearest neighbours in pixels", "按像素取 {k} 个近邻"),
    "its_accuracy": ("its accuracy", "其准确率"),
    "network_accuracy": ("the network’s", "网络的准确率"),
    "difference_points": ("difference in points", "差（百分点）"),
    "points_between": ("{difference} ({low} to {high})", "{difference}（{low} 至 {high}）"),
    "knn_chosen": (
        (
            "{k} neighbours, the best of 1, 3, 5, 9 and 15 on the validation part, among {n} training images; pixels "
            "at no more than {side} a side, Euclidean distance."
        ),
        "{k} 个近邻是 1、3、5、9、15 中在验证部分上最好的；在 {n} 张训练图像中查找，边长不超过 {side} 像素，欧氏距离。",
    ),
    "knn_usual": (
        (
            "{k} neighbours, not chosen for these data, among {n} training images; pixels at no more than {side} a "
            "side, Euclidean distance."
        ),
        "固定取 {k} 个近邻，未针对这些数据挑选；在 {n} 张训练图像中查找，边长不超过 {side} 像素，欧氏距离。",
    ),
    "curves": ("Curves", "训练曲线"),
    "curves_help": ("Each step takes one batch and moves every weight w against the gradient of the loss L.",
                    "每一步取一批图像，让每个权重 w 沿损失 L 的梯度反方向移动。"),
    "loss": ("loss", "损失"),
    "accuracy": ("accuracy", "准确率"),
    "learning_rate": ("learning rate η", "学习率 η"),
    "by_step": ("by step", "按训练步"),
    "axis_from": ("axis from {floor}", "纵轴起于 {floor}"),
    "each_step": ("each step", "每一步"),
    "mean_of_steps": ("mean of {window} steps", "相邻 {window} 步的平均"),
    "train_epoch": ("train, whole epoch", "训练集，整轮"),
    "validation_epoch": ("validation, after the epoch", "验证集，每轮之后"),
    "not_a_number": ("not a number", "非有限数值"),
    "no_curves": ("No step was recorded.", "没有记录任何训练步。"),
    "curve_alt": ("{what} by step", "{what}随训练步的变化"),
    "confusion": ("Confusion", "混淆矩阵"),
    "confusion_help": ("Row: the truth. Column: what the network said. Colour: the share of the row.",
                       "行是真实类别，列是网络的回答。颜色为占该行的比例。"),
    "confusion_alt": ("Confusion matrix of {n} classes; the table beside it lists the largest errors",
                      "{n} 个类别的混淆矩阵；最大的错误列于旁边的表中"),
    "pooled": ("Axes count classes. Each dot covers {n} × {n} of them and shows the largest share.",
               "坐标为类别编号。每个点代表 {n} × {n} 个类别，显示其中最大的比例。"),
    "numbered": ("Axes count classes, as the table of classes does.", "坐标为类别编号，与类别表一致。"),
    "right_scale": ("right", "正确"),
    "errors_scale": ("errors", "错误"),
    "pairs": ("Most confused", "最易混淆"),
    "class_a": ("class A", "类别 A"),
    "class_b": ("class B", "类别 B"),
    "a_as_b": ("A taken for B", "A 被判为 B"),
    "b_as_a": ("B taken for A", "B 被判为 A"),
    "no_pairs": ("Not one error.", "没有任何错误。"),
    "truth": ("truth", "真实"),
    "predicted": ("predicted", "预测"),
    "images": ("images", "张数"),
    "texts": ("texts", "条数"),
    "reliability": ("Reliability", "可靠性"),
    "reliability_help": (
        (
            "Of the answers given with 80 %, 80 % should be right: the dashed line. 15 bins of equal width; the "
            "larger a dot, the more answers. Below, how many there are."
        ),
        "以 80 % 的概率给出的回答应有 80 % 正确：即虚线。共 15 个等宽区间；点越大，回答越多。下方为各区间的数量。",
    ),
    "reliability_alt": ("Share of right answers against the probability they were given with, in 15 bins",
                        "正确率与所给概率的关系，共 15 个区间"),
    "dots_before": ("as the network says it: calibration error {error}", "网络自身的概率：校准误差 {error}"),
    "dots_after": ("calibrated: {error}", "校准后：{error}"),
    "temperature_found": (
        (
            "Calibrated probabilities are softmax(z / T) with T = {T}, found on {n} {split} examples. Predictions "
            "tell these."
        ),
        "校准后的概率为 softmax(z / T)，T = {T}，在 {n} 个{split}样本上确定。预测时给出的就是它。",
    ),
    "temperature_same": ("They are the examples judged here, so the calibrated error is a little too good.",
                         "它们正是此处评估的样本，因此校准后的误差略微偏低。"),
    "temperature_kept": ("Probabilities are left as the network says them (T = 1): {why}.",
                         "概率保持网络自身给出的值（T = 1）：{why}。"),
    "why_no_part": ("there is no validation part to find a temperature on", "没有验证部分可用来确定温度"),
    "why_too_few": ("the validation part is too small to find a temperature on", "验证部分太小，不足以确定温度"),
    "why_not_finite": ("some logits are not finite", "部分 logit 不是有限值"),
    "why_all_right": ("every validation example is right, which sets no bound to how sure the network may be",
                      "验证样本全部正确，无法限定网络应有多大把握"),
    "why_uninformed": ("the logits of the validation part do not favour its labels", "验证部分的 logit 并不偏向其标注"),
    "why_checkpoint": ("a temperature is found for the final weights alone", "只为最终权重确定温度"),
    "why_not_kept": ("the run keeps no temperature", "此次训练没有保存温度"),
    "classes": ("Classes", "各类别"),
    "classes_help": (
        (
            "Precision: of those called k, how many are k. Recall: of the true k, how many are called k; beside it "
            "its 95 % Wilson interval in per cent."
        ),
        (
            "精确率：被判为 k 的图像中确为 k 的比例。召回率：真实为 k 的图像中被判为 k 的比例；旁边是其 95 % Wilson 区"
            "间（百分数）。"
        ),
    ),
    "trained_on": ("trained on", "训练数"),
    "judged_images": ("judged", "评估张数"),
    "judged_texts": ("judged", "评估条数"),
    "lowest_first": ("Lowest F1 first.", "按 F1 从低到高排列。"),
    "number": ("number", "编号"),
    "class": ("class", "类别"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "f1": ("F1", "F1 值"),
    "hardest": ("Hardest images", "最难的图像"),
    "hardest_help": ("The {split} images of largest loss; cross-entropy with truth k is below. Wrong labels show here.",
                     "损失最大的{split}图像；下式为真实类别 k 的交叉熵。错误的标注会在此显露。"),
    "no_hardest": ("There are no images to show.", "没有可显示的图像。"),
    "more_images": ("{n} more are in the run, not on this page.", "另有 {n} 张在训练记录中，未列于此页。"),
    "hard_alt": ("{name}: truth {truth}, predicted {predicted}", "{name}：真实 {truth}，预测 {predicted}"),
    "suspects": ("Labels to look at again", "值得复查的标注"),
    "suspects_help": (
        (
            "The network takes these for another class than the one they are given as. Nothing has been changed: look "
            "at them, and correct the data where the label is wrong. The margin is that of the label over the best "
            "other class, −1 to 1."
        ),
        (
            "网络认为它们属于另一类别，而非标注的类别。数据未作任何改动：请逐一查看，标注有误时更正数据。间隔为标注类"
            "别高出其他最佳类别的幅度，−1 至 1。"
        ),
    ),
    "suspects_more": ("{n} more are in the run, not on this page.", "另有 {n} 个在训练记录中，未列于此页。"),
    "suspect_alt": ("{name}: labelled {label}, looks like {suggested}", "{name}：标注 {label}，看起来像 {suggested}"),
    "label": ("label", "标注"),
    "suggested": ("looks like", "看起来像"),
    "margin": ("margin", "间隔"),
    "voters": ("Neighbours", "近邻"),
    "voters_help": ("The training images nearest to an image: they alone decide. Last, where it differs most.",
                    "与图像最近的训练图像：回答只由它们投票决定。最后一幅显示差异最大之处。"),
    "voters_alt": ("{name}: {k}, at a distance of {distance}", "{name}：{k}，距离 {distance}"),
    "difference": ("difference", "差异"),
    "difference_alt": ("The squared difference to the nearest neighbour, pixel by pixel", "与最近邻逐像素的平方差"),
    "outside_half": ("{share} of the squared difference lies outside the centred box with half of the area.",
                     "平方差的 {share} 位于面积为一半的中心方框之外。"),
    "largest_tenth": ("{share} of it lies in the tenth of the pixels that differ most.",
                      "其中 {share} 集中在差异最大的十分之一像素上。"),
    "brightness": ("{share} of it is gone when both images are made equally bright.",
                   "将两幅图像调至相同亮度后，其中 {share} 消失。"),
    "paper": ("{share} of all pixels are background in both, and tell nothing.",
              "全部像素的 {share} 在两幅图中同为背景，不提供任何信息。"),
    "filters": ("First layer", "第一层"),
    "filters_help": ("The weights w that {name} lays over the image x.", "{name} 覆在图像 x 上的权重 w。"),
    "filters_signs": ("Purple is negative, green positive.", "紫色为负，绿色为正。"),
    "filters_rgb": ("Red, green and blue weights as one colour; grey is 0.", "红绿蓝权重合为一色；灰色为 0。"),
    "filters_tiles": ("One tile a channel, in reading order.", "每小块为一个通道，按阅读顺序排列。"),
    "shown_of": ("{shown} of {n} filters and {channels} of {C} channels are shown.",
                 "显示 {n} 个滤波器中的 {shown} 个、{C} 个通道中的 {channels} 个。"),
    "filter_alt": ("filter {n}", "滤波器 {n}"),
    "findings": ("Findings", "发现"),
    "findings_help": ("What the program noticed, and what to try.", "程序注意到的情况，以及可以尝试的做法。"),
    "no_findings": ("Nothing suspicious was noticed.", "没有发现可疑之处。"),
    "recipe": ("Recipe", "训练配方"),
    "recipe_help": ("Every knob of this run, named as on the command line.", "此次训练的每个选项，名称与命令行一致。"),
    "provenance": ("Provenance", "来历"),
    "provenance_help": ("What it takes to get the same run again.", "再次得到同样结果所需的信息。"),
    "footer": ("Made by Convoscope. Every number is the model's own. The figures lie beside this page as PNG files.",
               "由 Convoscope 生成。每个数字都出自模型本身。图以 PNG 文件存于本页旁边。"),
    "fact_model": ("model", "模型"),
    "fact_data": ("data", "数据"),
    "fact_parameters": ("parameters", "参数量"),
    "fact_training_time": ("training time", "训练用时"),
    "fact_training_images": ("training images", "训练图像"),
    "fact_training_texts": ("training texts", "训练文本"),
    "fact_epochs": ("epochs", "轮数"),
    "fact_steps": ("steps", "步数"),
}
# fmt: on

# What is said otherwise where the run learnt from texts.
# fmt: off
OF_TEXTS: dict[str, Phrase] = {
    "right_of": ("of {n} {split} texts are right", "的{split}文本判断正确，共 {n} 条"),
    "interval_help": ("Other texts would give another accuracy p; the 95 % Wilson interval says how far it may lie.",
                      "换一批文本，准确率 p 会略有不同；95 % Wilson 区间给出可能的范围。"),
    "curves_help": ("Each step takes one batch and moves every weight w against the gradient of the loss L.",
                    "每一步取一批文本，让每个权重 w 沿损失 L 的梯度反方向移动。"),
    "figures_help": (
        (
            "Balanced accuracy is the mean recall of the classes, macro F1 their mean F1; beside them 95 % intervals "
            "by 2,000 bootstrap resamples of the texts judged, not stratified."
        ),
        (
            "平衡准确率为各类召回率的平均，宏平均 F1 为各类 F1 的平均；旁边是对所评估文本作 2,000 次自助重抽样（不分层"
            "）所得的 95 % 区间。"
        ),
    ),
    "classes_help": (
        (
            "Precision: of those called k, how many are k. Recall: of the true k, how many are called k; beside it "
            "its 95 % Wilson interval in per cent."
        ),
        (
            "精确率：被判为 k 的文本中确为 k 的比例。召回率：真实为 k 的文本中被判为 k 的比例；旁边是其 95 % Wilson 区"
            "间（百分数）。"
        ),
    ),
    "hardest": ("Hardest texts", "最难的文本"),
    "hardest_help": ("The {split} texts of largest loss; cross-entropy with truth k is below. Wrong labels show here.",
                     "损失最大的{split}文本；下式为真实类别 k 的交叉熵。错误的标注会在此显露。"),
    "no_hardest": ("There are no texts to show.", "没有可显示的文本。"),
    "more_images": ("{n} more are in the run, not on this page.", "另有 {n} 条在训练记录中，未列于此页。"),
}
# fmt: on
