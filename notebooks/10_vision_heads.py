# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   vlmlearn:
#     needs: [scene, caption, seed, ground truth, bounding box, mask, depth, keypoint, split, held-out, compositional generalisation, chance level, baseline, patch, logit, softmax, cross entropy, nat, attention, average precision, equal cost, sigmoid, prior, calibration]
#     teaches: [task head, feature map, feature pyramid, detection, IoU, GIoU, anchor, heat map, class imbalance, focal loss, NMS, precision, precision–recall curve, semantic segmentation, instance segmentation, prototype, mIoU, PCK, scale ambiguity, scale-invariant loss, confidence, augmentation, multi-task learning, region]
# ---

# %% [markdown] lang="zh"
# # 10 视觉任务头：图里还有什么？
#
# 前几章的模型拿一张图，给出一个向量。这个向量能答“哪句话配这张图”，却不说东西在哪里，有几个，有多远。
# 这一章给同一个编码器装上六种**任务头**（task head）：是什么，在哪里，每个像素属于哪一类、哪一个物体，离镜头几米，三角形的角在何处。
#
# 我们先弄懂框：怎样比，怎样学，怎样打分。然后现场训练一个编码器，六件事一起学；看它对在哪里，错在哪里；再拿几句常听到的话来量。
# 最后一节，它的答案会变成一小串向量：后面的章节里，语言模型读的就是它们。
#
# **课程位置：** 01 CLIP 损失 → 02 双编码器的本领 → 03 SigLIP → … → **10 视觉任务头**（读完 02 就可以读）→ 11 融合编码器（即将推出）→ …

# %% [markdown] lang="en"
# # 10 Vision task heads: what else is in the picture?
#
# The models so far took a picture and gave one vector. It can tell which sentence belongs to the picture, but not where things are, how many, or how far away. This chapter puts six kinds of
# **task heads** on one encoder: what is it, where, which class and which object does each pixel belong to, how many metres away is it, and where are the corners of a triangle?
#
# First we get to know boxes: how to compare them, learn them and score them. Then we train an encoder live, on all six tasks at once, see where it is right and wrong, and measure some of the things people say. In the last
# section its answers become a short list of vectors, which language models of later chapters will read.
#
# **Where we are:** 01 the CLIP loss → 02 dual encoders at work → 03 SigLIP → … → **10 vision task heads** (any time after 02) → 11 fusion encoders (coming) → …

# %% [markdown] lang="zh"
# **先回忆三个问题**
#
# 1. （第 03 章；还没读，就先看答案）一千个答案里只有一个“是”。什么也不看，偏置该从哪里出发？
# 2. （第 02 章）排名第 1 和第 3 的是对的，一共只有这两个对的。平均精确率是多少？
# 3. （第 00 章）一个框是 (3, 5, 9, 8)。它有几个像素？
#
# <details><summary>答案</summary>
#
# 1. $-\ln 999\approx -6.9$：这样一开始每个答案都说“千分之一”，损失不会被“不是”淹没。
# 2. $(1/1+2/3)/2\approx 0.83$。
# 3. 宽 6、高 3，共 18 个：后两个数是最后一个像素的**后面**一个。
#
# </details>

# %% [markdown] lang="en"
# **Three questions to warm up**
#
# 1. (chapter 03; if it is still ahead of you, read the answer) Of a thousand answers, one is *yes*. Where should the bias start, before any look?
# 2. (chapter 02) Ranks 1 and 3 are right, and these two are all that is right. What is the average precision?
# 3. (chapter 00) A box is (3, 5, 9, 8). How many pixels does it have?
#
# <details><summary>Answers</summary>
#
# 1. At $-\ln 999\approx -6.9$: every answer begins as "one in a thousand", and the loss is not drowned in *no*.
# 2. $(1/1+2/3)/2\approx 0.83$.
# 3. 6 wide and 3 high, so 18: the last two numbers are one **past** the last pixel.
#
# </details>

# %%
import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import torch
from einops import rearrange
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from torch import nn

from vlmlearn import plots
from vlmlearn.heads.vision import TaskType, boxes_at, create_vision_head
from vlmlearn.heads.vision.decoding import anchor_boxes, assign_anchors, batched_nms, nms
from vlmlearn.hub import load_shipped
from vlmlearn.losses import box_iou, giou_loss, iou_loss, silog_loss
from vlmlearn.metrics import Detections, box_average_precision, confusion_matrix, depth_errors, mean_iou
from vlmlearn.models import RegionEncoder
from vlmlearn.training import fit
from vlmlearn.training.recipes import chapter_10 as recipe
from vlmlearn.training.recipes.record import load_results
from vlmlearn.training.scene_scores import annotations, corners_in, detections, rank_correlation, scene_scores
from vlmlearn.training.scene_tasks import WEIGHTS, class_heat, scene_targets, task_losses
from vlmlearn.world import (
    COLORS,
    SHAPES,
    admits_order,
    augment,
    labelled_pictures,
    mirror,
    permuted_colors,
    photo_backgrounds,
    rotate,
    sample_scenes,
)
from vlmlearn.world.augment import TASKS
from vlmlearn.world.recolor import ORDERS
from vlmlearn.world.shapes import HELD_OUT_PAIRS

torch.set_num_threads(2)
torch.manual_seed(0)
recorded = load_results("10")
exam = labelled_pictures(sample_scenes(300, split="test"))  # pictures with all their labels
targets = scene_targets(exam)  # the same as tensors, all objects in one list

# %% [markdown] lang="zh"
# ## 1 一张图，六个问题
#
# 先看结果。下面是一张没见过的图，和软件包里带着的 `tiny-regions` 对它的六个回答。这个模型很小，在两个 CPU 核上几分钟就训练好了。先猜：一个这么小的模型，哪一问答得最好？哪一问最差？

# %% [markdown] lang="en"
# ## 1 One picture, six questions
#
# The result first. This is a picture that was never seen, and six answers of `tiny-regions`, a model that comes with the package. It is small, and was trained in minutes on two CPU cores. Guess first: which question does it answer best, and which worst?


# %%
KINDS = ListedColormap(["#e8e8e8", *plots.COLORS])  # the background, then one colour a class, or an object
TRIANGLE = SHAPES.index("triangle")


def draw_box(axes, box, text="", style="-"):
    x0, y0, x1, y1 = (float(value) for value in box)
    axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="white", ls=style, lw=1.5))
    if text:
        axes.text(x0, y0, text, fontsize=7, bbox={"fc": "white", "ec": "none", "pad": 0.6})


def show_answers(model, pictures, number, least=0.3):
    """All that a model says of one picture; boxes and masks where its score is above ``least``."""
    picture = pictures.images[number]
    with torch.no_grad():
        said = model(torch.from_numpy(picture)[None])
    [found], [masked] = (detections(said[task], 64) for task in ("detection", "instances"))
    owner = torch.zeros(64, 64)
    for k in (masked.scores > least).nonzero()[:6, 0].flip(0):  # the surest last, on top
        owner[masked.masks[k]] = k + 1
    titles = ("boxes", "instances", "classes", "depth (m)", "confidence", "corners")
    with plots.figure(13, 2.3, columns=6) as (_, panels):
        for axes, title in zip(panels, titles, strict=True):
            axes.set(title=title, xticks=[], yticks=[])
            axes.grid(False)
        for axes in (panels[0], panels[5]):
            axes.imshow(rearrange(picture, "c h w -> h w c"))
        for axes, classes in ((panels[1], owner), (panels[2], said["segmentation"]["logits"][0].argmax(0))):
            axes.imshow(classes, cmap=KINDS, vmin=0, vmax=6, interpolation="nearest")
        for axes, name, low, high, map_name in ((panels[3], "depth", 2, 10, "cividis_r"), (panels[4], "confidence", 0.5, 1, "cividis")):
            drawn = axes.imshow(said["depth"][name][0, 0], cmap=map_name, vmin=low, vmax=high)
            axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
        sure = found.scores > least
        for box, label, score in zip(found.boxes[sure], found.labels[sure], found.scores[sure], strict=True):
            draw_box(panels[0], box, f"{SHAPES[label]} {score:.2f}")
        triangles = found.boxes[sure & (found.labels == TRIANGLE)]
        heat = said["keypoints"]["logits"].expand(len(triangles), -1, -1, -1)
        for points in corners_in(heat, triangles):
            for (x, y), marker in zip(points, "os^", strict=True):
                panels[5].plot(x - 0.5, y - 0.5, marker, color="white", markeredgecolor="black", markersize=6)


# %% tags=["live"]
#| alt-zh: 一张测试图和模型的六个回答：框和名字，每个物体的像素，每个像素的类别，深度，置信度，三角形的三个角
#| alt-en: a test picture with six answers of the model: boxes with names, the pixels of each object, the class of each pixel, depth, confidence, and the three corners of each triangle
shipped, card = load_shipped("tiny-regions").model, load_shipped("tiny-regions").card
shipped_scores = scene_scores(shipped, exam)
with_triangle = targets.picture[targets.shape == TRIANGLE]
show_answers(shipped, exam, int(with_triangle[0]))
print(f"trained for {card['steps']} steps, {card['seconds'] / 60:.0f} minutes on two cores")
print("  ".join(f"{name} {shipped_scores[name]:.1f}" for name in ("class", "ap50", "mask_ap50", "miou", "abs_rel", "pck")))
assert shipped_scores["ap50"] > 95

# %% [markdown] lang="zh"
# 从左到右：**检测**（detection）给出框和名字；**实例分割**（instance segmentation）说每个像素是哪个物体的；**语义分割**（semantic segmentation）说它是哪一类；
# **深度**和模型自己说的**置信度**（confidence）；三角形的顶点（圆点）、右下角（方块）、左下角（三角）；三角形会转，尖的那个角是顶点，角的名字按它立正时算。图下面是 300 张测试图上的得分，每个数是什么意思，第 4 节再说。最差的是三角形的角（`pck`）；`abs_rel` 是误差，越低越好。
#
# ### 里面是什么
#
# `RegionEncoder` 分两半。下面一半是**特征金字塔**（feature pyramid；Lin 等，2017）：图像先变成粗的**特征图**（feature map），8 像素一格，在那里看懂全局；再一级一级放大，
# 每一级都把同样粗细的早期特征加回来，于是既懂得多，又说得准位置。上面一半是任务头：每个头都很小，读的都是这座金字塔的特征图，各说各的。

# %% [markdown] lang="en"
# From left to right: **detection** gives boxes with names; **instance segmentation** says to which object a pixel belongs, **semantic segmentation** of which class it is; then **depth**, with the **confidence** that the model claims; and the corners of triangles, the apex a dot, the right one a square, the left one a triangle (triangles are turned; the apex is the sharpest corner, and right and left are named as if it stood on top).
# The last line has its scores on 300 test pictures, in percent; section 4 says what each means. Boxes (`ap50`) come out best, the corners of triangles (`pck`) worst; `abs_rel` is an error, lower is better.
#
# ### What is inside
#
# `RegionEncoder` has two halves. The lower is a **feature pyramid** (Lin et al. 2017): the picture first becomes a coarse **feature map** of 8 pixels a place, where the whole is understood, and is then enlarged again step by step; each
# step adds features of its own fineness from before, so that the result both understands and knows where. The upper half is the task heads: each is small, all read maps of this one pyramid, and each answers its own question.

# %%
untrained = RegionEncoder().eval()
with torch.no_grad():
    answers = untrained(targets.images[:4])
for task, said in answers.items():
    for name, values in said.items():
        print(f"{task:13s} {name:16s} {tuple(values.shape)}")
print()
for name, part in {"pyramid": untrained.pyramid, **untrained.heads}.items():
    print(f"{name:13s} {sum(weight.numel() for weight in part.parameters()):7,d} weights")

# %% [markdown] lang="zh"
# 读这张表：4 是四张图；256 是 16×16 个位置，每个位置 4 像素见方；64×64 是像素，32×32 是每格 2 像素。
#
# - `classifications`：每个位置、每种形状一个 logit；`regressions`：每个位置四个数，由它们算出框的四边离这个位置有多远。
# - `prototypes` 和 `coefficients`：实例分割不为每个物体画一张图。整张图共用 16 张**原型**（prototype），每个位置给出一组系数，按系数把原型加起来，再过 sigmoid，就是那个物体的掩码（YOLACT；Bolya 等，2019）。其中 12 张是学来的，4 张是固定的（1、x、y、x²+y²），用它们，每个位置可以只管自己附近。
# - `instances` 和 `instance_masks`：最有把握的六个位置，和它们的掩码。
# - `log_scale` 和 `confidence`：深度头还说自己多半会错多少（第 6 节）。
#
# ### logit 不是概率
#
# 分类头给出两样：`logits` 是任意的数，`probabilities` 是它们的 softmax。**损失要的是前者**：交叉熵自己会做 softmax。把概率当 logit 传进去，什么错误也不会报。先猜：六类里，它完全确定、而且对了，把 logit 传进去，损失是多少？把概率传进去呢？

# %% [markdown] lang="en"
# To read the table: 4 is four pictures; 256 is 16×16 places of 4 pixels each way; 64×64 are pixels, and 32×32 places of 2 pixels.
#
# - `classifications`: a logit for each place and shape; `regressions`: four numbers a place, from which come its distances to the four sides of the box.
# - `prototypes` and `coefficients`: instance segmentation does not draw a map for each object. A picture has shared **prototypes**; each place gives coefficients, and the prototypes added with these weights, through a sigmoid, are the mask of its object (YOLACT; Bolya et al. 2019). Of our 16, twelve are learnt; four are fixed (1, x, y, x²+y²), so that a place can favour its own surroundings.
# - `instances` and `instance_masks`: the six places that are surest of a class, and their masks.
# - `log_scale` and `confidence`: the depth head also says how far off it expects to be (section 6).
#
# ### A logit is no probability
#
# The classification head gives both: `logits` are any numbers, `probabilities` are their softmax. **A loss wants the former**: cross entropy takes the softmax itself. Pass probabilities for logits, and no error appears. Guess first: with six classes, wholly certain and right, what is the loss of the logits, and what when the probabilities are passed in their place?

# %%
logits = torch.tensor([[30.0, 0, 0, 0, 0, 0]])
right = torch.tensor([0])
print(f"loss of the logits        {nn.functional.cross_entropy(logits, right).item():.3f}")
print(f"loss of the probabilities {nn.functional.cross_entropy(logits.softmax(1), right).item():.3f}   guessing: ln 6 = {math.log(6):.3f}")

# %% [markdown] lang="zh"
# 做了两次 softmax，六类时损失再也低不过 1.04；它要是完全确定，不管对错，几乎没有梯度。叫 `logits` 的，还有 `classifications`，交给损失；叫 `probabilities`、`masks`、`heatmaps` 的，拿来看。
#
# 自己装一个头，一行就够。名字写错，它会告诉你最像的是哪个：

# %% [markdown] lang="en"
# With two softmaxes and six classes the loss never gets below 1.04, and where the model is wholly certain, right or wrong, no gradient is left. What is called `logits` goes to the loss, and so do `classifications`; `probabilities`, `masks` and `heatmaps` are to be looked at.
#
# To make a head of your own takes one line, and a misspelt name is answered with the nearest:

# %%
head = create_vision_head(TaskType.DETECTION, in_channels=48, num_classes=6, num_anchors=1, hidden_dim=32, use_attention=True, attention_type="cbam")
said = head(torch.randn(2, 48, 16, 16))
print({name: tuple(values.shape) for name, values in said.items()})
print(f"before any training it says yes with {said['classifications'].sigmoid().mean().item():.3f} on average")
for wrong in ({"task_type": "detecton"}, {"task_type": "detection", "atention_type": "cbam"}):
    try:
        create_vision_head(in_channels=48, **wrong)
    except ValueError as error:
        print("ValueError:", str(error)[:90], "…")

# %% [markdown] lang="zh"
# 没训练的检测头，处处都只说百分之一：它的偏置从 $-\ln 99$ 出发。这和第 03 章 SigLIP 从 −10 出发是同一个道理（RetinaNet；Lin 等，2017，第 4.1 节）；第 2 节会看到它为什么要紧。

# %% [markdown] lang="en"
# An untrained detection head says about one in a hundred everywhere: its bias starts at $-\ln 99$, for the same reason that SigLIP's started at −10 in chapter 03 (RetinaNet; Lin et al. 2017, section 4.1). Section 2 shows why it matters.

# %% [markdown] lang="zh"
# ## 2 框
#
# ### 两个框有多像？
#
# **交并比**（IoU）：两个框共有的面积，除以它们合起来占的面积。先写朴素的，一次比两个：

# %% [markdown] lang="en"
# ## 2 Boxes
#
# ### How alike are two boxes?
#
# **IoU**, intersection over union: the area that two boxes share, over the area that they cover together. The naive version compares two at a time:


# %%
def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (area_a + area_b - shared)


print(iou((0, 0, 10, 10), (0, 0, 10, 10)), iou((0, 0, 10, 10), (0, 0, 10, 5)), iou((0, 0, 10, 10), (20, 0, 30, 10)))

# %% [markdown] lang="zh"
# 都说“交并比 0.5 就算找到”。听起来像是“盖住一半就行”。先猜：两个一样大的框，横着错开多少，交并比是 0.5？盖住一半时，交并比又是多少？

# %% [markdown] lang="en"
# "Found" usually means an IoU of 0.5, which sounds like "half of it is covered". Guess first: two equal boxes, one shifted sideways; by what share of its width for an IoU of 0.5? And what is the IoU when half of each is covered?

# %%
#| alt-zh: 三对一样大的框，分别横着错开六分之一、三分之一、二分之一，交并比是 0.71、0.50、0.33
#| alt-en: three pairs of equal boxes, shifted sideways by a sixth, a third and a half, with IoU 0.71, 0.50 and 0.33
with plots.figure(7.5, 2.2, columns=3) as (_, panels):
    for axes, shift in zip(panels, (2, 4, 6), strict=True):
        axes.add_patch(Rectangle((0, 0), 12, 12, fc=plots.COLORS[0], alpha=0.5))
        axes.add_patch(Rectangle((shift, 0), 12, 12, fc=plots.COLORS[1], alpha=0.5))
        axes.set(xlim=(-1, 19), ylim=(-1, 13), aspect="equal", title=f"IoU {iou((0, 0, 12, 12), (shift, 0, shift + 12, 12)):.2f}", xticks=[], yticks=[])
print("shifted by one third of its width, a box still covers two thirds of the other")
print("one pixel too far right and down, boxes of 8, 12, 20, 200 pixels:", *(f"{iou((0, 0, s, s), (1, 1, s + 1, s + 1)):.2f}" for s in (8, 12, 20, 200)))

# %% [markdown] lang="zh"
# 交并比 0.5 时，每个框都还被盖住**三分之二**；盖住一半，只有 0.33。因为错开的部分算了两遍：一遍在这边，一遍在那边。
# 第二行是另一件要记住的事：同样往右、往下各差一个像素，200 像素的框几乎不掉分，12 像素的要掉四分之一以上。我们的小物体大约 12 像素，所以“交并比 0.75”在这里是很严的要求。
#
# ### 拿它当损失：没有碰到，就没有方向
#
# 想让预测的框盖住目标，最直接的损失是 $1-\text{IoU}$。先猜：两个框离得远，梯度是多少？

# %% [markdown] lang="en"
# At an IoU of 0.5 **two thirds** of each box are covered; with one half covered it is 0.33. What does not fit is counted twice, once on either side. The second line is worth remembering too: off by the same single pixel both ways, a large box loses next to nothing and a small one a quarter
# or more. Our small objects are some 12 pixels wide, so an IoU of 0.75 is a strict demand here.
#
# ### As a loss: no touch, no direction
#
# To make a predicted box cover its target, the obvious loss is $1-\text{IoU}$. Guess first: when two boxes are far apart, what is its gradient?

# %%
target = torch.tensor([[40.0, 24, 52, 36]])
print("left side   IoU    slope of 1 - IoU   slope of 1 - GIoU   (the target's left side is 40)")
for left in (38.0, 30.0, 26.0, 6.0):
    slopes = []
    for loss in (iou_loss, giou_loss):
        moved = torch.tensor(left, requires_grad=True)
        predicted = torch.tensor([[0.0, 24, 12, 36]]) + moved * torch.tensor([1.0, 0, 1, 0])
        slopes.append(torch.autograd.grad(loss(predicted, target), moved)[0].item())
    print(f"{left:9.0f} {box_iou(predicted.detach(), target).item():6.2f} {slopes[0]:15.3f} {slopes[1]:19.3f}")

# %% [markdown] lang="zh"
# 一碰不到，$1-\text{IoU}$ 就是平的：近在眼前和远在天边，损失都是 1，斜率都是 0。**GIoU**（Rezatofighi 等，2019）补上这一点。$C$ 是包住两个框的最小矩形，减去 $C$ 里空着的那一份：
#
# $$\text{GIoU} = \text{IoU} - \frac{|C| - |A\cup B|}{|C|}$$
#
# 离得越远，$C$ 里空得越多，GIoU 从 0 向 −1 降下去，处处有斜率。从远处出发，各走 160 步：

# %% [markdown] lang="en"
# As soon as they do not touch, $1-\text{IoU}$ is flat: near or far, the loss is 1 and its slope 0. **GIoU** (Rezatofighi et al. 2019) mends it. $C$ is the smallest rectangle around both boxes, and the empty share of it is subtracted:
#
# $$\text{GIoU} = \text{IoU} - \frac{|C| - |A\cup B|}{|C|}$$
#
# The farther apart, the more of $C$ is empty, and GIoU falls from 0 towards −1, with a slope everywhere. From far away, 160 steps with each:

# %%
for name, loss in (("1 - IoU ", iou_loss), ("1 - GIoU", giou_loss)):
    box, overlaps = torch.tensor([[4.0, 30, 16, 50]], requires_grad=True), []
    optimizer = torch.optim.Adam([box], lr=0.5)
    for step in range(161):
        if step % 40 == 0:
            overlaps.append(f"{box_iou(box.detach(), target).item():.2f}")
        optimizer.zero_grad()
        loss(box, target).backward()
        optimizer.step()
    print(f"{name}   IoU after 0, 40, 80, 120, 160 steps:", *overlaps, "  box", [round(x) for x in box[0].tolist()])

# %% [markdown] lang="zh"
# 第一行一步也没走。第二行先把框拉长，盖住目标，再把远的那一边往回收，160 步还没收完：处处有斜率，不等于走得快。这一章的检测头用 $1-\text{GIoU}$ 训练。
#
# ### 谁来回答这个物体？
#
# 网络在许多位置同时作答，得先说好哪个位置负责哪个物体。两种办法：
#
# - **锚框**（anchor；Faster R-CNN、RetinaNet）：每个位置预先摆好几个大小、形状不同的框，谁和物体的交并比够大，谁就负责；网络只说怎样把锚框挪一挪、拉一拉。
# - **不用锚框**：每一格直接说出框的四边离它有多远（FCOS，Tian 等，2019）。谁负责？FCOS 让框里的许多格都负责，CenterNet（Zhou 等，2019）只让物体中心落进的那一格负责。我们照 FCOS 说框，照 CenterNet 选格。
#   训练的目标是一张**热力图**（heat map）：中心是 1，往四周按钟形降下去，因为差一格的框也不算太坏。物体越大，钟越宽；我们的物体只有几格大，差一格就差得多，钟缩得只剩中心一格（下图右）。
#
# 不论哪一种，“是”都少得可怜，这叫**类别不平衡**（class imbalance）。先猜：一张图问 16×16 个位置 × 6 种形状，几个答案里有一个“是”？

# %% [markdown] lang="en"
# The first box has not moved at all. The second first stretches until it covers the target and then draws in its far side, which lags behind even after 160 steps: a slope everywhere is not yet a fast way. The detection heads of this chapter are trained with $1-\text{GIoU}$.
#
# ### Who answers for an object?
#
# A network answers at many places at once, and it has to be agreed which place is responsible for which object. There are two ways:
#
# - **Anchors** (Faster R-CNN, RetinaNet): every place has a few boxes of several sizes and shapes laid out beforehand, and those that overlap enough with an object are responsible; the network only says how to move and stretch them.
# - **Centres**: no boxes beforehand. In CenterNet (Zhou et al. 2019) the place where an object's middle falls is responsible, and says how wide and how high the box is; in FCOS (Tian et al. 2019) many places inside the box are, and each says how far away its four sides are. Ours is CenterNet's place with FCOS's four distances. What is to be learnt is a **heat map**: 1 at the middle, and a bell around it, since a box that is one place off is not so bad. The bell goes by the size of the object in places; ours are some three to five places wide, and so narrow is the bell that the neighbours get a hundredth or so. In the figure below a single place is bright.
#
# Either way *yes* is rare, which is called **class imbalance**. Guess first: a picture asks about 16×16 places × 6 shapes; one answer in how many is *yes*?

# %%
#| alt-zh: 左边一张图，右边十六乘十六的热力图，每个物体的中心各有一个亮点
#| alt-en: a picture, and its heat map of sixteen by sixteen places with one bright spot at the middle of each object
heat = class_heat(targets)  # pictures, places, shapes
questions, objects = heat[0].numel(), len(targets.boxes) / len(exam)
print(f"{questions} questions and {objects:.2f} objects a picture: one yes in {questions / objects:.0f}")
anchors = anchor_boxes(16, 16, 4, sizes=[12, 20])  # two sizes, three shapes
assigned = torch.stack([assign_anchors(anchors, targets.boxes[targets.picture == k]) for k in range(100)])
print(f"{len(anchors)} anchors a picture: {(assigned >= 0).sum().item() / 100:.1f} answer for an object, {(assigned == -1).sum().item() / 100:.0f} for background, the rest is left out")
with plots.figure(5, 2.4, columns=2) as (_, (left, right)):
    left.imshow(rearrange(exam.images[3], "c h w -> h w c"))
    right.imshow(rearrange(heat[3].amax(1), "(h w) -> h w", h=16), cmap="cividis", vmin=0, vmax=1)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)

# %% [markdown] lang="zh"
# 几百个“不是”配一个“是”，而且“不是”大多容易得很。它们单个都不贵，合起来却比物体贵。**focal 损失**（Lin 等，2017）给每个答案乘上 $(1-p)^\gamma$，$p$ 是正确答案的概率：
#
# $$-(1-p)^\gamma\ln p$$
#
# 已经会的（$p$ 接近 1）几乎不再算数。先猜：模型半生不熟时，对背景说 0.01，对物体说 0.3，损失里有几成来自物体？

# %% [markdown] lang="en"
# Hundreds of *no* for one *yes*, most of them easy. Each costs little; together they cost more than the objects. The **focal loss** (Lin et al. 2017) multiplies every answer by $(1-p)^\gamma$, where $p$ is the probability of the right answer:
#
# $$-(1-p)^\gamma\ln p$$
#
# What is known already, with $p$ near 1, hardly counts any more. Guess first: a half-trained model says 0.01 to the background and 0.3 to objects; how much of the loss comes from objects, with cross entropy and with focal?


# %%
def share_of_objects(background, thing, gamma):
    """Of the loss of a picture, in percent, when the model says these two probabilities."""
    yes = objects * (1 - thing) ** gamma * -math.log(thing)
    no = (questions - objects) * background**gamma * -math.log(1 - background)
    return 100 * yes / (yes + no)


print("it says yes to               cross entropy   focal, γ = 2")
for name, background, thing in (("all with 0.5", 0.5, 0.5), ("all with 0.01, as at first", 0.01, 0.01), ("0.01, to objects 0.3", 0.01, 0.3)):
    print(f"{name:27s} {share_of_objects(background, thing, 0):13.1f}% {share_of_objects(background, thing, 2):13.1f}%")

# %% [markdown] lang="zh"
# 第一行，从 0.5 出发：两种损失里，物体都只占千分之二左右，focal 也救不了。第二行，换个起点，物体立刻占到四成，这就是为什么偏置要从 $-\ln 99$ 出发。第三行是 focal 的用处：学着学着，物体那一份又掉到一成半上下，乘上 $(1-p)^2$，几乎全部的损失都来自物体。
#
# 它真的更好吗？占多少是算出来的，好不好得训练了才知道：第 8 节有记录。

# %% [markdown] lang="en"
# The first line starts from 0.5: with either loss objects are some two thousandths of it, and focal is no help. The second has another start, and objects are four tenths at once, which is why the bias begins at $-\ln 99$. The third is what focal is for: as training goes on, objects are drowned again (here a sixth is left to them), and the factor $(1-p)^2$ prevents it.
#
# Is it really better? A share can be calculated, but whether it helps takes a training: section 8 has the record.

# %% [markdown] lang="zh"
# ## 3 六件事一起学
#
# **多任务学习**（multi-task learning）：特征金字塔只算一遍，每个头各有各的损失，加起来一起下降。损失的单位各不相同（有的是奈特，有的是重叠的比例），直接相加，谁的数字大谁说了算，所以各乘一个权重。下面这些权重是试出来的。表里的 Dice 和交并比相近，也量重叠：交集的两倍，除以两边面积之和；损失是 1 减去它。
#
# | 任务 | 目标 | 损失 |
# |---|---|---|
# | 形状、颜色 | 中心那一格的类别 | 交叉熵 |
# | 检测 | 热力图；中心那一格的四边 | 热力图的 focal 损失；$1-\text{GIoU}$ |
# | 实例分割 | 同上，再加每个物体的像素 | 同上；二元交叉熵和 Dice |
# | 语义分割 | 每个像素的类别，背景也算一类 | 交叉熵 |
# | 深度 | 每个像素的米数 | 拉普拉斯分布的负对数似然（第 6 节） |
# | 关键点 | 三个角各一张热力图 | 热力图的 focal 损失 |

# %% [markdown] lang="en"
# ## 3 Six tasks at once
#
# **Multi-task learning:** the pyramid is computed once, each head has its own loss, and their sum goes down. The losses come in different units (nats, IoU, errors in a logarithm), and in a plain sum the largest number would rule, so each has a weight. These were found by trying.
#
# | task | what is to be said | loss |
# |---|---|---|
# | shape, colour | the class, at the place of the middle | cross entropy |
# | detection | the heat map; four sides at the middle's place | focal loss of heat maps; $1-\text{GIoU}$ |
# | instances | the same, and the pixels of each object | the same; binary cross entropy, and Dice (1 minus an overlap of masks, a relative of the IoU) |
# | semantic segmentation | the class of every pixel, background included | cross entropy |
# | depth | metres for every pixel | negative log likelihood of a Laplace distribution (section 6) |
# | keypoints | a heat map for each of three corners | focal loss of heat maps |

# %%
print(WEIGHTS)


def loss(model, batch):
    losses = task_losses(model(batch.images), batch)  # one number for each task
    return {"loss": sum(WEIGHTS[task] * value for task, value in losses.items()), **losses}


# %% [markdown] lang="zh"
# 现场训练 200 步，批量 32，一共看 6400 张图；记录里的训练是 900 步，24 000 张图。批次的一半换过颜色通道的次序，为什么，第 7 节再说。
# 先写下至少要到多少分，低于它就是训练出了毛病。你也先猜：200 步以后，哪个头学会了，哪个头还没有？

# %% [markdown] lang="en"
# We train live for 200 steps of 32 pictures, 6,400 in all; the recorded training had 900 steps and 24,000 pictures. One half of every batch has its colour channels in another order; section 7 says why. What must be reached at least is written down first: below that, something went wrong. Your
# guess, too: after 200 steps, which heads have learnt their task, and which not yet?

# %%
STEPS, SEED = 200, 0
AT_LEAST = {"class": 75, "ap50": 75, "mask_ap50": 50, "miou": 45, "confidence": 0.5}  # percent; a correlation
AT_MOST = {"abs_rel": 5.3}  # percent

# %% tags=["live"]
pictures = labelled_pictures(sample_scenes(32 * STEPS, split="train"))
torch.manual_seed(SEED)
model = RegionEncoder()
history = fit(model, recipe.scene_batches(pictures, SEED), loss, recipe.train_config(STEPS, "float32"))
scores = scene_scores(model, exam)
print(f"{history.seconds:.0f} s for {STEPS} steps")
assert all(scores[name] > least for name, least in AT_LEAST.items()) and all(scores[name] < most for name, most in AT_MOST.items())

# %% tags=["live"]
#| alt-zh: 七条损失曲线：颜色和分割头几十步就降到低处，形状的降得最慢
#| alt-en: seven curves of losses: those of colour and segmentation are low within some tens of steps, that of shape falls most slowly
with plots.figure(13, 2.2, columns=7) as (_, panels):
    for axes, task in zip(panels, WEIGHTS, strict=True):
        axes.plot(history.steps, history.values[task], color=plots.COLORS[0])
        axes.set(title=task, xlabel="step")
for task in WEIGHTS:
    print(f"{task:13s} first record {history.values[task][0]:5.2f}   mean of the last two {history.last(task, 2):5.2f}")
assert scores["ap50"] > AT_LEAST["ap50"]

# %% [markdown] lang="zh"
# 深度的损失会低于 0：密度可以大于 1，它的负对数就是负的。七条曲线的高低不能互相比。
#
# ## 4 打分
#
# 损失不能拿来比，要看分数。每一项用自己的尺子：
#
# - `class`：在物体真正的中心问，形状和颜色都答对（48 选 1）。
# - `ap50`、`ap`：框的 **AP**，交并比的门槛是 0.5，或 0.5、0.55 … 0.95 的平均。`mask_ap50`、`mask_ap` 是实例掩码的。下面亲手算一遍。
# - `miou`（**mIoU**）：逐像素，每一类的交并比，七类取平均。
# - `abs_rel`：深度的相对误差，平均值，越低越好。`confidence`：置信度和误差的等级相关（rank correlation：只比排名），1 表示越有把握的像素错得越少，0 表示毫无关系。
# - `pck`（**PCK**）：三角形的角，离真正的位置不超过三角形半径（高的一半）的五分之一，才算对；在自己找到的框里找。`pck_given_box` 是在真的框里找。
#
# 有两项，什么也不看也有分数，先算出来，免得被吓住或哄住。先猜：处处都答“背景”，mIoU 是多少？每张图都答同一张平均深度图，误差是多少？

# %% [markdown] lang="en"
# The loss of depth goes below 0: a density may be above 1, and then its negative logarithm is negative. The heights of the seven curves cannot be compared.
#
# ## 4 Scores
#
# Losses of different tasks cannot be compared, nor do they tell how good a model is. For that each task has a measure of its own, in percent but for `confidence`:
#
# - `class`: asked at the true middle of an object, shape and colour both right (one of 48).
# - `ap50`, `ap`: the **AP** of boxes with a threshold of IoU 0.5, and the mean over 0.5, 0.55 … 0.95; `mask_ap50` and `mask_ap` are those of instance masks. We compute one by hand below.
# - `miou` (**mIoU**): by pixels, the IoU of each class, averaged over seven classes.
# - `abs_rel`: the mean relative error of depth, lower is better. `confidence`: its rank correlation with how small the error is; 1 if the surer pixels are the more right ones.
# - `pck` (**PCK**): corners of triangles no farther from their places than a fifth of the radius, looked for in the boxes that were found; `pck_given_box` in the true ones.
#
# For two of them an answer that never looks at the picture is not at zero, so compute it first. Guess: the mIoU of saying "background" everywhere? And the error of giving every picture the same mean depth map?

# %%
nothing = torch.zeros_like(targets.semantic)
background = 100 * mean_iou(confusion_matrix(nothing, targets.semantic, 7)).mean
mean_map = torch.from_numpy(labelled_pictures(sample_scenes(1000, split="train")).depth).mean(0)
constant_depth = 100 * depth_errors(mean_map.expand_as(targets.depth), targets.depth).abs_rel
print(f"background everywhere: mIoU {background:.1f}, though {100 * (targets.semantic == 0).double().mean().item():.1f}% of the pixels are right")
print(f"the mean depth map of training pictures: relative error {constant_depth:.1f}%")

# %% [markdown] lang="zh"
# 处处答背景，九成像素是对的，mIoU 却只有 12.9：它对每一类一视同仁，七类里六类得零分。这就是为什么分割不能只报“像素准确率”。
#
# 现在，现场训练的模型和**记录结果**（900 步，三个种子，千张图；`python -m vlmlearn.training.recipes 10`）并排：

# %% [markdown] lang="en"
# With background everywhere, nine pixels in ten are right, and mIoU is still only a seventh of that: background is one class of seven, and it treats all alike. This is why segmentation is not judged by the accuracy of pixels.
#
# The live model beside the **recorded results** (900 steps, three seeds, a thousand pictures; `python -m vlmlearn.training.recipes 10`):


# %%
def spread(values, digits=1):
    return f"{min(values):.{digits}f}–{max(values):.{digits}f}"


GUESSED = {"class": 100 / 40, "miou": background, "abs_rel": constant_depth, "confidence": 0.0}  # 40 pairs occur in training
NAMES = ("class", "ap50", "ap", "mask_ap50", "mask_ap", "miou", "abs_rel", "confidence", "pck_given_box", "pck")

# %% tags=["live"]
print("                guessing   200 steps, live   900 steps, seeds 0, 1, 2 (recorded)")
for name in NAMES:
    guess = f"{GUESSED[name]:.1f}" if name in GUESSED else ""
    print(f"{name:14s} {guess:>9s} {scores[name]:17.2f}        {spread(recorded['whole'][name], 2)}")
print(f"seconds of the recorded trainings: {spread(recorded['whole']['seconds'], 0)}")
assert scores["ap50"] > AT_LEAST["ap50"] and scores["abs_rel"] < constant_depth

# %% [markdown] lang="zh"
# 名字和框学得最快，200 步时 `class` 和 `ap50` 已经不低。`ap` 总比 `ap50` 低一截：找到不等于框得准，小框差一个像素就过不了高的门槛（第 2 节）。最慢的是关键点，900 步也只有六成；深度在 200 步时也只比一张平均深度图好一点。
#
# ### AP：亲手算一遍
#
# 检测器对每张图给出一串框，每个框有分数。**AP 不设分数的门槛**，它问的是排名。对一个类别：把所有图的框放在一起，按分数从高到低看，每个框去认领一个还没有被认领的、交并比至少 0.5 的同类物体；认领到了就是对的。
# 看到第 $k$ 个时，**精确率**（precision）是前 $k$ 个里对的比例，召回率是已找到的占全部物体的比例。一路看下去，就是一条**精确率–召回率曲线**（precision–recall curve）。

# %% [markdown] lang="en"
# Names and boxes come first, with a fair `class` and `ap50` after 200 steps. `ap` stays well below `ap50`: found is not yet well framed, and a small box that is one pixel off fails the high thresholds (section 2). Slowest are the corners: even 900 steps bring little more than six in ten. Depth, too, is after 200 steps only a little better than one mean map for all.
#
# ### AP by hand
#
# A detector gives a list of boxes a picture, each with a score. **AP sets no threshold on scores**, it asks about their order. For one class: put the boxes of all pictures together and go down from the highest score. Each box claims an object of its class that nobody has claimed yet, with an IoU of at least 0.5; if it
# gets one, it is right. After the first $k$, **precision** is the share of right ones among them, and recall the share of all objects that have been found. All the way down this gives a **precision–recall curve**. AP is its mean height: at each of 101 recalls, 0, 0.01 … 1, take the best precision that is still to be had at this recall or a higher one, 0 if none is, and average.


# %%
def claims(found, things, kind):
    """Down the ranking of one class: is each finding right? And how many objects there are."""
    ranking = []
    for picture, one in enumerate(found):
        mine = one.labels == kind
        ranking += [(score, picture, box) for score, box in zip(one.scores[mine].tolist(), one.boxes[mine].tolist(), strict=True)]
    free = [thing.boxes[thing.labels == kind].tolist() for thing in things]  # objects not yet claimed, by picture
    wanted, right = sum(map(len, free)), []
    for _, picture, box in sorted(ranking, key=lambda item: -item[0]):
        best = max(free[picture], key=lambda thing: iou(box, thing), default=None)
        right.append(best is not None and iou(box, best) >= 0.5)
        if right[-1]:
            free[picture].remove(best)
    return np.array(right, dtype=bool), wanted


def precision_and_recall(right, wanted):
    return right.cumsum() / np.arange(1, len(right) + 1), right.cumsum() / wanted


def ap_by_hand(right, wanted):
    precision, recall = precision_and_recall(right, wanted)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best that can be had with at least this recall
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return np.append(best, 0.0)[at].mean()  # what is never reached has precision 0


# %% tags=["live"]
#| alt-zh: 六种形状的精确率–召回率曲线：圆环几乎一直是 1，到最右端才落下；方形很早就往下走
#| alt-en: precision–recall curves of six shapes: that of the ring stays near 1 until the right end, that of the square falls early
with torch.no_grad():
    said = model(targets.images)
found, things = detections(said["detection"], 64), annotations(targets)
official = box_average_precision(found, things, len(SHAPES))
with plots.figure(5.5, 3.4) as (_, [axes]):
    for kind, shape in enumerate(SHAPES):
        right, wanted = claims(found, things, kind)
        precision, recall = precision_and_recall(right, wanted)
        axes.plot(recall, precision, color=plots.COLORS[kind], label=shape)
        print(f"{shape:9s} by hand {100 * ap_by_hand(right, wanted):.2f}   box_average_precision {100 * official.per_class50[kind]:.2f}")
        assert abs(ap_by_hand(right, wanted) - official.per_class50[kind]) < 1e-6
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.05))
    axes.legend()
assert scores["ap50"] > AT_LEAST["ap50"]

# %% [markdown] lang="zh"
# 和软件包（它与 COCO 的官方代码一致）逐类相同。曲线有锯齿，所以在每个召回率上，取**从那里往后**能达到的最高精确率；0、0.01 … 1 这 101 个召回率上取平均（到不了的算 0），再对类别取平均，就是 `ap50`。
#
# ### AP 不是准确率
#
# 先猜：下面三种改动，精确率会怎样变？AP 会怎样变？一，分数全部平方。二，每张图再塞进 20 个乱画的框，分数是 0。三，只留下分数高于 0.5 的框。

# %% [markdown] lang="en"
# Class by class it is what the package says, which agrees with COCO's official code. Averaged over classes, it is `ap50`.
#
# ### AP is not accuracy
#
# Guess first: what do these three changes do to precision, and what to AP? One: all scores are squared. Two: each picture gets 20 random boxes more, with a score of 0. Three: only boxes with a score above 0.5 are kept.


# %%
def precision_recall_ap(found, things):
    """Of all findings the share that is right, of all objects the share that is found, and AP, in percent."""
    every = [claims(found, things, kind) for kind in range(len(SHAPES))]
    right, listed, wanted = (sum(part) for part in zip(*((r.sum(), len(r), w) for r, w in every), strict=True))
    return 100 * right / max(listed, 1), 100 * right / wanted, 100 * box_average_precision(found, things, len(SHAPES)).ap50


def with_rubbish(one, generator):
    corners = torch.rand(20, 2, 2, generator=generator).sort(1).values.flatten(1) * 64
    labels = torch.randint(len(SHAPES), (20,), generator=generator)
    return Detections(scores=torch.cat([one.scores, torch.zeros(20)]), labels=torch.cat([one.labels, labels]), boxes=torch.cat([one.boxes, corners]))


def sure_only(one, least=0.5):
    sure = one.scores > least
    return Detections(scores=one.scores[sure], labels=one.labels[sure], boxes=one.boxes[sure])


# %% tags=["live"]
generator = torch.Generator().manual_seed(0)
changed = {
    "ten boxes a picture": found,
    "scores squared": [replace(one, scores=one.scores**2) for one in found],
    "20 random boxes more": [with_rubbish(one, generator) for one in found],
    "only scores above 0.5": [sure_only(one) for one in found],
}
measured = {name: precision_recall_ap(boxes, things) for name, boxes in changed.items()}
print("                         precision   recall    AP50")
for name, values in measured.items():
    print(f"{name:23s}", *(f"{value:9.1f}" for value in values))
plain, squared, rubbish, sure = measured.values()
assert abs(squared[2] - plain[2]) < 0.01 and abs(rubbish[2] - plain[2]) < 1 and sure[0] > 2 * plain[0] and sure[2] <= plain[2] and plain[2] > AT_LEAST["ap50"]

# %% [markdown] lang="zh"
# 平方不改变次序，所以 AP 一分不变。乱画的框排在最后，精确率跌到不成样子，AP 几乎不动。只留有把握的，精确率大涨，AP 反而掉了一大截：丢掉的框里也有对的，那一段召回率就再也到不了。
#
# 所以 AP 高，不等于“拿来就能用”。要用，得自己定一个门槛，而在那个门槛上有多少错，AP 没有说。也没有“准确率”可算：背景有无数个框可以不画，“正确地没有画”数不出来。
#
# ### 非极大值抑制：一条规则
#
# 物体周围的许多位置都会给出框。**非极大值抑制**（NMS）只留下最好的：从分数最高的看起，和已经留下的框重叠太多的，去掉。按中心的检测器常用更省事的一招：热力图上每种形状的图上，只留不比周围八格低的（CenterNet 的办法）。
# 先猜：把所有位置分数高于 0.05 的框都交上去，每个物体有几个框？

# %% [markdown] lang="en"
# Squares keep the order, so AP stays exactly. Random boxes are last; precision collapses, AP hardly moves. To keep only the sure ones raises precision a lot, and AP falls: some of those dropped were right, and their recall is never reached any more.
#
# So a high AP does not mean "ready for use". To use a detector one has to set a threshold, and how much goes wrong at it, AP does not say. Nor is there an accuracy to compute: the background has endless boxes that might not be drawn, and "rightly not drawn" cannot be counted.
#
# ### NMS: a rule
#
# Many places around an object give a box. **NMS**, non-maximum suppression, keeps the best: from the highest score down, whatever overlaps too much with a box already kept is dropped. CenterNet has something simpler: of each class's heat map only those places are kept that none of the
# eight around them exceeds. Guess first: if every place with a score above 0.05 hands in its box, how many boxes has an object?

# %% tags=["live"]
certainty, kinds = said["detection"]["classifications"].sigmoid().max(-1)  # 300 pictures, 256 places
everywhere = torch.arange(256).expand(len(exam), -1)
boxes = boxes_at(said["detection"]["regressions"], everywhere, 4).clamp(0, 64)


def handed_in(threshold):
    """The boxes of places above 0.05; with a threshold, after NMS within each class."""
    chosen = []
    for k in range(len(exam)):
        rows = (certainty[k] > 0.05).nonzero()[:, 0]
        if threshold is not None:
            rows = rows[batched_nms(boxes[k][rows], certainty[k][rows], kinds[k][rows], threshold)]
        chosen.append(Detections(scores=certainty[k][rows], labels=kinds[k][rows], boxes=boxes[k][rows]))
    return chosen


per_object = {}
for name, chosen in (("no rule", handed_in(None)), ("NMS at 0.5", handed_in(0.5)), ("higher than its neighbours", [sure_only(one, 0.05) for one in found])):
    per_object[name] = sum(len(one.labels) for one in chosen) / len(targets.boxes)
    print(f"{name:27s} {per_object[name]:5.2f} boxes an object   AP50 {100 * box_average_precision(chosen, things, len(SHAPES)).ap50:5.1f}")
assert per_object["no rule"] > 1.5 * per_object["NMS at 0.5"] and scores["ap50"] > AT_LEAST["ap50"]

# %% [markdown] lang="zh"
# 不管就交，一个物体要被报十次。NMS 减掉四成左右，看邻居的那条减掉六成多；门槛 0.05 很低，所以剩下的仍比物体多，好在多余的大多排在后面。在这个只训练了 200 步的模型上，NMS 的 AP50 还高几分；为什么，这里没有量。有一处不同：看邻居的那条在每种形状的图上各找各的峰，一个物体可能既报成圆形、又报成方形；另外两行，每个位置只报最像的那一种。
#
# 常有人以为 NMS 是学来的。它没有一个权重，只有一个人定的门槛，而这个门槛有代价：两个真的物体若是靠得很近，就会被当成一个。
# 拿一个**完美**的检测器来试：它交上来的就是真值，NMS 不分类别。先猜：NMS 会让它丢掉多少物体？

# %% [markdown] lang="en"
# With no rule an object is reported ten times. Either rule takes away a good part of it; 0.05 is a low score, so more boxes than objects remain, but they rank last. For this model of 200 steps, NMS has the higher AP50 by some points. Why is not measured here; one difference is that the last line seeks peaks on each shape's map, so an object may be handed in as a circle and as a square, while the other two ask each place for its likeliest shape only.
#
# NMS is often taken for something learnt. It has no weights, only a threshold that somebody sets, and that threshold has a price: two real objects close together pass for one. Try it on a **perfect** detector, whose boxes are the truth, without regard to classes. Guess first: how many objects does NMS make it lose?

# %%
for threshold in (0.5, 0.3, 0.2, 0.1, 0.05):
    kept = sum(len(nms(thing.boxes, torch.ones(len(thing.boxes)), threshold)) for thing in annotations(targets))
    print(f"threshold {threshold:4.2f}: of {len(targets.boxes)} true objects {len(targets.boxes) - kept} are lost")

# %% [markdown] lang="zh"
# 门槛 0.5 时一个也不丢，因为在我们的世界里，两个物体靠得再近，框也不会重叠那么多；门槛低到 0.1，才看得出代价。街上的人群就不是这样：门槛低了漏人，门槛高了重复。在那里没有一个对的门槛。后来有人让每个物体恰好配一个预测（集合匹配），这样训练，就不再要 NMS 了（DETR；Carion 等，2020）。

# %% [markdown] lang="en"
# At 0.5 it costs nothing, because in our world two objects never come so close that their boxes overlap by so much; at 0.1 the price shows. A crowd in a street is not like that: with a low threshold people are lost, with a high one they are doubled, and no threshold is right. This is why others match in training each object with exactly one answer, so that the network learns not to repeat itself and needs no NMS (DETR; Carion et al. 2020).

# %% [markdown] lang="zh"
# ## 5 对在哪里，错在哪里
#
# 先看带着的模型 `tiny-regions` 在考卷上的三张图：一张普通的，两张它分割得最差的。

# %% [markdown] lang="en"
# ## 5 Where it is right and wrong
#
# First three pictures of the exam with the shipped model, `tiny-regions`: an ordinary one and the two that it segments worst.

# %% tags=["live"]
#| alt-zh: 带着的模型对三张图的回答：第一张几乎全对，后两张在物体重叠处和边缘有错
#| alt-en: answers of the shipped model to three pictures: the first nearly all right, the other two wrong where objects overlap and at edges
with torch.no_grad():
    best_said = shipped(targets.images)
wrong_pixels = (best_said["segmentation"]["logits"].argmax(1) != targets.semantic).float().mean((1, 2))
by_error = wrong_pixels.argsort().tolist()
shown = [by_error[150], *by_error[-2:]]
for number in shown:
    show_answers(shipped, exam, number)
    print(f"picture {number}: {100 * wrong_pixels[number]:.1f}% of the pixels have the wrong class")
assert shipped_scores["miou"] > 80

# %% [markdown] lang="zh"
# 同样三张图，给刚刚训练了 200 步的模型看：

# %% [markdown] lang="en"
# The same three pictures with the model just trained for 200 steps:

# %% tags=["live"]
#| alt-zh: 现场模型对同样三张图的回答：框大致都在，掩码和类别的边缘粗糙，角的位置错得更多
#| alt-en: answers of the live model to the same pictures: boxes are mostly there, masks and classes have rough edges, and corners are wrong more often
for number in shown:
    show_answers(model, exam, number)
assert scores["ap50"] > AT_LEAST["ap50"]

# %% [markdown] lang="zh"
# 置信度图值得多看一眼。训练得久的模型，暗处是物体边缘的细线：深度在那里一步从物体跳到背景，差一个像素就差很远。200 步的模型，整个物体都是暗的：它还不会判断立着的东西有多远，自己也知道。第 6 节去量。
#
# ### 关键点为什么最差
#
# 角的得分最低。是找不到角，还是分不清哪个是哪个？分开来量：按大小分；再不管名字，三个角随便怎么配对，只要位置对就算对。先猜：大三角形和小三角形，哪种得分高？

# %% [markdown] lang="en"
# The maps of confidence deserve a second look. For the model that was trained longer, dark are thin lines along edges, where depth jumps from the object to what is behind it and one pixel makes a large difference. For the model of 200 steps whole objects are dark: it cannot yet tell how far away an upright thing is, and it knows. Section 6 measures it.
#
# ### Why corners are worst
#
# Corners have the lowest score. Are they not found, or taken for each other? Measure the two apart: by size; and without names, where the three corners may be paired in any way and only the places count. Guess first: which score better, large triangles or small ones?

# %% tags=["live"]
triangles = ~targets.keypoints.isnan().any(-1).any(-1)
of, slot, true = targets.picture[triangles], targets.slot[triangles], targets.keypoints[triangles]
radius = torch.from_numpy(exam.scenes.radius * 64)[of, slot]
large = torch.from_numpy(exam.scenes.size)[of, slot] == 1
points = corners_in(best_said["keypoints"]["logits"][of], targets.boxes[triangles])


def share_near(points):
    return ((points - true).norm(dim=-1) <= 0.2 * radius[:, None]).float().mean(1)


named = share_near(points)
unnamed = torch.stack([share_near(points[:, list(order)]) for order in permutations(range(3))]).amax(0)
print("true boxes given            triangles   named corners   any naming")
for name, which in (("large", large), ("small", ~large)):
    print(f"{name}, within {0.2 * radius[which].mean():.1f} pixels {int(which.sum()):11d} {100 * named[which].mean():14.1f}% {100 * unnamed[which].mean():11.1f}%")
assert named[large].mean() > 0.4

# %% [markdown] lang="zh"
# 小三角形要准到 1.3 个像素，而热力图一格就是 2 个像素，看上去该输；这里反而是小的得分高。角的热力图上，峰的旁边几格也有高低，按高低取平均，位置就准到几分之一格，细处不成问题。大的输在两样：有一些叫错了名字（最后两列之差），还有一些地方就不对。为什么大的更难，这里没有量；只有五十来个大三角形，差几分也别太当真。
# 这把尺子也比常用的严：PCK 通常用框的长边，我们用半径，大约是它的一半。

# %% [markdown] lang="en"
# A small triangle asks for 1.3 pixels, and a place of the heat map is 2 pixels, so it ought to lose; here the small ones score better. The peak's neighbours give the place to a fraction of a cell, so the coarse map need not be in the way. Large ones lose in two ways: some corners are called by the wrong name (the difference between the last two columns), others are in the wrong place. Why large ones are harder is not measured here, and with some fifty of them a few points mean little.
# The measure is stricter than usual, too: PCK mostly goes by the longer side of the box, ours by the radius, about half of it.

# %% [markdown] lang="zh"
# ## 6 深度：单位从哪里来？
#
# 一张照片分不出真的房间和娃娃屋：所有东西都大一倍、也远一倍，照出来一模一样。这叫**尺度模糊**（scale ambiguity）。若不同的图用不同的相机、不同的单位标注，整体差一个倍数，就不该罚得太重。
# **尺度不变损失**（scale-invariant loss；Eigen 等，2014）看的是对数之差 $d=\ln\text{预测}-\ln\text{真值}$（原文不开方，这里按后来常用的写法开了方）：
#
# $$\sqrt{E[d^2]-\lambda\,E[d]^2}$$
#
# $\lambda=0$ 是普通的误差；$\lambda=1$ 先减去平均的差，整体的倍数完全不算；常用的是 0.5 和 0.85。拿上面那张平均深度图当预测，乘上 0.5 到 2。先猜三条曲线的形状：

# %% [markdown] lang="en"
# ## 6 Depth: where does the unit come from?
#
# A photograph does not tell a room from a doll's house: with everything twice as large and twice as far away, the picture is the same. This is **scale ambiguity**. Where pictures come from different cameras, labelled in different units, being wrong by one common factor should not cost too much. The
# **scale-invariant loss** (Eigen et al. 2014; the root was added later) looks at the difference of logarithms, $d=\ln\text{prediction}-\ln\text{truth}$:
#
# $$\sqrt{E[d^2]-\lambda\,E[d]^2}$$
#
# With $\lambda=0$ it is an ordinary error; $\lambda=1$ takes the mean difference away first, so that a common factor costs nothing; 0.5 (Eigen's) and 0.85 are usual. Take the mean depth map of section 4 as a prediction and multiply it by 0.5 to 2. Guess the shapes of the three curves first:

# %%
#| alt-zh: 损失随整体倍数的变化：λ 为 0 时是在倍数 1 附近最低的 V 形，0.85 时浅得多，1 时是水平线
#| alt-en: the loss against the common factor: for λ = 0 a V with its lowest point near 1, for 0.85 a far shallower one, for 1 a flat line
factors = torch.logspace(-1, 1, 21, base=2)
prediction = mean_map.expand_as(targets.depth)
with plots.figure() as (_, [axes]):
    for focus, color, style in zip((0.0, 0.85, 1.0), plots.COLORS, ("-", "--", ":"), strict=False):
        losses = [silog_loss(factor * prediction, targets.depth, variance_focus=focus).item() for factor in factors]
        axes.plot(factors, losses, color=color, linestyle=style, label=f"λ = {focus}")
        print(f"λ = {focus:4.2f}   factor 0.5: {losses[0]:.3f}   1: {losses[10]:.3f}   2: {losses[-1]:.3f}")
    axes.set(xscale="log", xticks=[0.5, 1, 2], xticklabels=["0.5", "1", "2"], xlabel="prediction multiplied by", ylabel="loss")
    axes.minorticks_off()
    axes.legend()

# %% [markdown] lang="zh"
# $\lambda=1$ 时曲线是平的：它不教单位，只教远近的比例。
#
# 记录里有三种这样的训练，各三个种子：每张图的标签都乘上一个谁也不知道的倍数（0.5 到 2 之间），只有图内的比例可信；考试仍然用米。先猜：哪个 $\lambda$ 的米数最准？

# %% [markdown] lang="en"
# With $\lambda=1$ the curve is flat: it does not teach the unit, only ratios.
#
# The record holds such trainings: the labels of every picture are multiplied by a factor that nobody knows, between 0.5 and 2, so that only ratios within a picture can be trusted; the exam is in metres all the same. Guess first: with which $\lambda$ are the metres best?

# %%
fitted = load_results("10_units")["scale_invariance"]  # once each picture's depth is multiplied by one fitting factor
print(f"relative error, percent, {recorded['settings']['short']} steps   in metres              fitted, one factor each")
for focus, entry in recorded["scale_invariance"].items():
    columns = (" ".join(f"{value:5.1f}" for value in values) for values in (entry["abs_rel"], fitted[focus]["fitted"]))
    print(f"labels in unknown units, λ = {focus:4s}   ", "      ".join(columns))
print("labels in metres, depth alone       ", " ".join(f"{value:5.1f}" for value in recorded["single"]["depth"]["abs_rel"]))
print(f"the mean depth map of the exam       {recorded['mean_depth']:5.1f}")

# %% [markdown] lang="zh"
# $\lambda=1$ 的米数错了两成到将近五成：它只学比例，单位停在起点，起点又随种子而变，比什么也不看的平均深度图还差得远。$\lambda=0.85$ 最好，3.7 到 4.0；$\lambda=0$ 是 4.4 到 5.1，种子没有重叠。
# 右半边的三列问的是另一件事：只看比例。每张图先乘上一个最合适的倍数（乘的是预测，让中位数对上），次序就变了：$\lambda=1$ 最好，2.0 到 2.1，其次 0.85，最差是 0。所以“尺度不变损失更好”和“更差”都对，要看考的是比例还是米数。
#
# $\lambda=0.85$ 留下了一成半的“整体”，已经够把单位找回来；又不像 $\lambda=0$ 那样，被每张图乱跳的倍数牵着走。
#
# 这里有个便宜：我们的倍数有大有小，取对数以后平均是 0，所以“平均一下”就是对的单位。若标签全都偏大一倍，哪个 $\lambda$ 也救不回来：图里根本没有单位。
#
# ### 它知道自己哪里不准吗？
#
# 深度头每个像素说两个数：深度，和它预计自己会错多少（一个拉普拉斯分布的尺度 $b$）。损失是 $\frac{|d|}{b}+\ln 2b$：预计错得多，错了就罚得轻，但 $\ln 2b$ 总要付；最划算的 $b$，正好是错误的平均大小（Kendall 和 Gal，2017）。没有人给过“置信度”的标签。
# 置信度就从 $b$ 算出来：对数里错不到 $\ln 1.25$ 的概率。先猜：最没把握的五分之一像素，误差是最有把握的几倍？

# %% [markdown] lang="en"
# With $\lambda=1$ the metres are off by a fifth to nearly a half: it learns ratios only, and the unit stays where it began, which depends on the seed; the mean depth map, which looks at nothing, is far better. Best is $\lambda=0.85$, with 3.7 to 4.0, then $\lambda=0$ with 4.4 to 5.1, and no overlap of the seeds.
#
# The columns on the right ask for ratios alone: each picture's prediction is first multiplied by the factor that makes its median the true one. Now the order is another: $\lambda=1$ is best, with 2.0 to 2.1, then 0.85 with 2.4, and 0 is worst, with 3.4 to 3.8. So "the scale-invariant loss is better" and "is worse" are both right, depending on whether ratios or metres are asked for.
#
# The likely reason: the 15 percent of the squared mean difference that $\lambda=0.85$ leaves in are
# enough to find the unit, without being tugged about by the random factor of every picture as $\lambda=0$ is. With labels in metres the error is 2.4 to 2.6 (the last row but one; its loss comes next).
#
# It was made easy here: our factors are as often above 1 as below, their logarithms average to 0, and so the average unit is the right one. Were all labels twice too large, no $\lambda$ could tell: the unit is simply not in the picture.
#
# ### Does it know where it is off?
#
# The depth head says two numbers a pixel: the depth, and how far off it expects to be (the scale $b$ of a Laplace distribution). The loss is $\frac{|d|}{b}+\ln 2b$: where it expects to be far off, an error costs less, but $\ln 2b$ is always due; best is a $b$ that equals the mean error (Kendall & Gal 2017). Nobody ever gave it labels
# of confidence. The confidence follows from $b$: the probability of being off by less than a factor of 1.25. Guess first: how many times larger is the error in the least sure fifth of the pixels than in the surest?

# %% tags=["live"]
depth, confidence = best_said["depth"]["depth"][:, 0], best_said["depth"]["confidence"][:, 0]
error = ((depth - targets.depth).abs() / targets.depth).flatten()
within = torch.maximum(depth / targets.depth, targets.depth / depth).flatten() < 1.25
fifths = confidence.flatten().argsort().chunk(5)
print("fifth of the pixels   confidence   really within 1.25   relative error")
for name, part in zip(("least sure", "second", "third", "fourth", "surest"), fifths, strict=True):
    print(f"{name:20s} {confidence.flatten()[part].mean():11.3f} {within[part].double().mean():18.3f} {100 * error[part].mean():16.2f}%")
rho = -rank_correlation(confidence.flatten()[::60], error[::60])
print(f"rank correlation of confidence and small error: {rho:.2f}   recorded {spread(recorded['whole']['confidence'], 2)}")
assert rho > 0.4 and error[fifths[0]].mean() > 2 * error[fifths[-1]].mean()

# %% [markdown] lang="zh"
# 越没把握的，真的错得越多；两头相差十倍以上。排名靠得住。数值还要另外看：说多少就有多少，也就是第二列和第三列对得上，才是校准的（第 03 章）。最没把握的那一份，它说的比实际的略低；其余的都贴着 1，这么宽的门槛分不出高下。
#
# ## 7 图动了，标签也要动
#
# 训练时把图翻一翻、挪一挪、换换颜色，叫**数据增强**（augmentation），等于白得许多图。图像分类的教程里，翻转只要翻像素：猫翻过来还是猫。这里呢？先猜：把图左右翻过来，下面哪些标签跟着变：框、掩码、深度、角的名字、中英文描述？

# %% [markdown] lang="en"
# The less sure, the more wrong it really is, more than ten times from end to end. The order can be relied on. The numbers are another matter: they are calibrated only where the column of confidence agrees with the next (chapter 03). In the least sure fifth the model claims a little less than is true; the others are all next to 1, where so wide a margin tells nothing apart.
#
# ## 7 Labels move with the picture
#
# To flip, shift and recolour pictures in training is called **augmentation**; it is like being given many more pictures. In courses on classification a flip is a matter of pixels: a mirrored cat is a cat. And here? Guess first: which labels change when left and right are exchanged: boxes, masks, depth, names of corners, captions in either language?

# %%
mirrored = mirror(exam)
plots.picture_grid(exam.images[:4], exam.scenes[:4])

# %%
plots.picture_grid(mirrored.images[:4], mirrored.scenes[:4])

# %% [markdown] lang="zh"
# 全都要变，连“左下”和“右下”两个角的**名字**也要对调：镜子里，右角成了左角。句子里说到左右的要改，只说上下的照旧（前两句）。`mirror` 一次全部改好，句子也是真的。
#
# 忘掉其中一样，会怎样？让带着的模型来考四份卷子：原来的；翻好的；只翻了像素的；别的都翻了，只忘了给角换名字。先猜：每一种，哪几项掉分？

# %% [markdown] lang="en"
# All of them, even the **names** of the left and right corners: in the mirror the right one is the left one. Of captions those change that speak of left or right. `mirror` sets everything right at once, sentences included.
#
# What if one thing is forgotten? The shipped model takes four exams: the original, one mirrored properly, one in which only pixels are mirrored, and one in which all is mirrored but the names of the corners. Guess first: which scores fall in each?

# %% tags=["live"]
exams = {
    "as it is": exam,
    "mirrored": mirrored,
    "only pixels mirrored": replace(exam, images=mirrored.images),
    "corners keep their names": replace(mirrored, keypoints=mirrored.keypoints[:, :, [0, 2, 1]]),
}
marked = {name: scene_scores(shipped, pictures) for name, pictures in exams.items()}
print("                              AP50     mIoU  depth error     PCK in true boxes")
for name, found_scores in marked.items():
    print(f"{name:26s}", *(f"{found_scores[key]:8.1f}" for key in ("ap50", "miou", "abs_rel")), f"{found_scores['pck_given_box']:16.1f}")
different = sum(a != b for a, b in zip(exam.captions("en"), mirrored.captions("en"), strict=True))
print(f"captions that change with the mirror: {different} of {len(exam)}")
assert marked["mirrored"]["ap50"] > 95 and marked["only pixels mirrored"]["ap50"] < marked["mirrored"]["ap50"] - 30

# %% [markdown] lang="zh"
# 翻好的，框、类别、角和原来的一样好。只有深度差了一点（1.5 变成 1.9）：这个模型训练时从没见过翻过来的图，关于远近，它学到了一点只对一边成立的东西。它靠的是什么，这里没有量。只翻像素，框、掩码、角全都对不上了，分数大跌；模型答得没有错，错的是卷子。若训练时一半的图这样翻错，一个直接说坐标的网络，学到的就是“物体在正中间”，练习里的 🔧 就是这件事。
# 最后一种最阴险：框和掩码都好好的，只有角的得分掉下去，像是模型自己学不好。
#
# 有的标签，怎么改都不对。把图转九十度，深度怎么办？地面会竖起来，没有哪个相机拍得出。软件包不假装能行：

# %% [markdown] lang="en"
# Mirrored properly, boxes, classes and corners are as good as before. Only depth is a little worse (1.5 becomes 1.9): the model never saw a mirrored picture in training, and nothing forced it to judge distance alike on both sides; what differs is not measured here. With pixels alone, boxes, masks and corners no longer fit, their scores collapse, and the depth error is about twice as high; it is not the answers that are wrong but the exam. A network that names coordinates directly and is trained with half its labels wrong like this learns that objects are in the middle; the 🔧 exercise is about it.
# The last is the nastiest: boxes and masks are fine, and only the corners' score falls, to less than half, as if the model could not learn them.
#
# Some labels cannot be set right. Turn a picture by ninety degrees, and what about depth? The ground would stand upright, as no camera could see it. The package does not pretend:

# %%
for name, change in (("rotate(exam)", rotate), ('augment(exam, "detection")', lambda pictures: augment(pictures, "detection"))):
    try:
        change(exam)
    except ValueError as error:
        print(f"{name}\n    ValueError: {error}")
moved = augment(exam.drop("depth"), "detection", seed=1)
print("without depth:", moved.images.shape, "and captions such as", repr(moved.captions("en")[0]))

# %%
print("task                   mirror  turns  shift   zoom  channels  brightness")
for task, how in TASKS.items():
    print(f"{task:22s} {how.mirror:6.1f} {how.rotate:6.2f} {how.shift:6.2f} {how.zoom:6.2f} {how.channels:9.1f} {how.brightness:11.2f}")

# %% [markdown] lang="zh"
# 每一列是多大的概率，或者最多变多少（`zoom` 为 1 是不放大）。哪个任务经得起什么，各不相同：分类不换颜色，因为颜色可能就是答案；描述可以换，句子里的颜色名字会跟着改，但只能放大一点点，不然“大”“小”就不真了；深度怕转、怕挪、怕放大；这里让转的只有语义分割和关键点。
#
# ### 没见过的搭配
#
# 48 种“形状 + 颜色”里，8 种训练时从不出现（第 00 章）。检测器认形状，本来与颜色无关；可是训练数据里，有些形状从没穿过某种颜色，它就未必学到“无关”。
#
# 换一换红、绿、蓝三个通道的次序，就能让形状穿上别的颜色。但要小心两件事：换了以后，颜色还叫得出名字吗？会不会正好造出那 8 种搭配，泄漏了考题？数一数：

# %% [markdown] lang="en"
# Mirror, quarter turns and channels are probabilities; shift is the furthest move as a share of the side, zoom the largest factor, and brightness the largest change of light. What a task can bear differs: in classification the channels stay, since the colour is part of the answer (captions are changed with it, where the new colours have names); depth bears no turns, shifts or zoom; only segmentation and keypoints are turned.
#
# ### Never-seen pairs
#
# Of 48 shape–colour pairs, 8 never occur in training (chapter 00). A detector names shapes, which have nothing to do with colours; but where some shapes never wear some colours, nothing forces it to learn so.
#
# To put red, green and blue in another order gives shapes other colours. Two things to beware of: do the colours still have a name? And does it make one of those 8 pairs, and give the exam away? A picture *admits* an order if neither happens. Count:

# %%
scenes = sample_scenes(2000, split="train")
print("order       colours with a name   admitted   would show a never-seen pair")
for order in ORDERS:
    names = np.array([-1 if name is None else name for name in permuted_colors(order)])
    pair = scenes.shape * len(COLORS) + names[scenes.color]
    leaks = np.isin(pair, HELD_OUT_PAIRS) & (names[scenes.color] >= 0) & scenes.present
    print(f"{order!s:10s} {(names >= 0).sum():15d} of 8 {100 * admits_order(scenes, order).mean():9.1f}% {100 * leaks.any(1).mean():29.1f}%")
print(f"training pictures that admit some order: {recorded['admitted']}%")

# %% [markdown] lang="zh"
# 于是有三种训练，步数、批次都相同：
#
# - **none**：不换。
# - **named**：批次的一半里，能换的才换：每个颜色都还叫得出名字，也不造出没见过的搭配。颜色照问。
# - **free**：批次的一半随便换，不问颜色。老实说，这样会让模型**看见**那 8 种搭配的像素，只是从不告诉它那叫什么颜色。所以 free 在没见过的搭配上，考的已经不是“完全没见过”。
#
# 先猜：没见过的搭配上，哪一种的框最好？颜色呢？

# %% [markdown] lang="en"
# So there are three trainings with equal steps and batches:
#
# - **none:** nothing is permuted.
# - **named:** in one half of a batch, pictures that admit it are permuted: every colour keeps a name and no never-seen pair comes up. Colours are asked for.
# - **free:** one half of a batch is permuted in any way, and its colours are not asked for. To be honest: the model then does **see** the pixels of those 8 pairs, only it is never told what colour that is. So with free, the exam on never-seen pairs is no longer one about things never seen.
#
# Guess first: which has the best boxes on never-seen pairs? And the best colours?

# %%
print(f"{recorded['settings']['short']} steps, seeds 0, 1, 2     none             named            free")
for key, name in (("ap50", "AP50 of boxes"), ("shape", "shape"), ("color", "colour"), ("class", "both (of 48)")):
    for prefix, kind in (("", "seen pairs"), ("new_", "never seen")):
        rows = (" ".join(f"{value:4.1f}" for value in recorded["channels"][how][prefix + key]) for how in ("none", "named", "free"))
        print(f"{name:14s} {kind:11s}  ", "   ".join(rows))
print("900 steps, free: AP50 of never-seen pairs", spread(recorded["whole"]["new_ap50"]), "  both", spread(recorded["whole"]["new_class"]))

# %% [markdown] lang="zh"
# 三个种子都一样：**free** 在没见过的搭配上最好，框的 AP50 91 到 96，不换是 84 到 87；48 选 1 也从 58 到 63 升到 69 到 72。升上去的是**形状**，从 64–66 升到 74–78，离见过的搭配（91 以上）还有距离；颜色本来就认得，三种差不多。
# **named** 守规矩，得到的就少：框 87 到 89，只比不换高一点点；48 选 1 没有差别。六成多的图至少能换一种次序，不算少；可是换出来的，都是训练里本来就有的搭配。代价也看一眼：见过的搭配上，free 的 48 选 1 是 91 到 92，不换是 92 到 95，略低一点。free 训练到 900 步（最后一行），没见过的搭配上框的 AP50 已经过了 99，48 选 1 是 88 到 94（见过的是 98）。
# 所以那句“换通道能救没见过的搭配”是真的，不过要说全：守规矩地换，几乎没有用。free 比 named 多了三样：那 8 种搭配的像素，叫不出名字的颜色，换过的图也更多；管用的是哪一样，这里没有分开量。
#
# ## 8 大家这么说，我们来量
#
# ### “不平衡就用 focal 损失”
#
# 只训练检测头，只换类别的损失，别的不变：热力图的 focal 损失（CenterNet，也是 $\gamma=2$）；RetinaNet 的 focal 损失，$\gamma=2$，再给“是”乘 $\alpha=0.25$，“不是”乘 0.75；普通的交叉熵。第 2 节看到，我们的钟缩成了一格，所以三种的目标几乎一样，只差 $\gamma$ 和 $\alpha$。都从 $-\ln 99$ 出发。第 2 节算过，学着学着，交叉熵里物体的份额会掉下去。先猜名次：

# %% [markdown] lang="en"
# All three seeds agree: **free** is best on never-seen pairs, with an AP50 of boxes of 91–96 against 84–87 without; shape and colour both right (`class`) rises from 58–63 to 69–72. What rises is **shapes**, from 64–66 to 74–78: it goes less by colour to tell them. Colours it knew anyway, much the same in all three.
# **named** keeps the rules and gains less: boxes 87–89, just above none, and no difference in `class`. More than six pictures in ten admit some order, which is not few; but what comes of it are pairs that training has anyway. Look at the price, too: on seen pairs, free has a `class` of 91–92, none 92–95.
# So "permuted channels rescue never-seen pairs" is true, if told in full: they do where the pixels of those pairs may be seen. Free has three things more than named: the pixels of those pairs, colours without a name, and more pictures that are changed; which of them does it is not measured here. After 900 steps (the last line) the AP50 of never-seen pairs is above 99, and only `class`, 88–94 against 98–99 on seen pairs, still lags.
#
# ## 8 What people say, measured
#
# ### "Imbalance calls for the focal loss"
#
# Only the detection head is trained, and only the loss of its classes changes: the focal loss of heat maps (CenterNet, $\gamma=2$); the focal loss with *yes* at the middle's place alone (RetinaNet, $\gamma=2$, and a weight $\alpha=0.25$ for *yes*, 0.75 for *no*); and with that target plain cross entropy. Around the middle the heat maps are next to 0 here, so the three targets are practically the same. All start from $-\ln 99$. Section 2 calculated that in the cross entropy objects are drowned again as training goes on. Guess the ranking first:

# %%
print("detection alone, 300 steps   AP50             AP               AP50, never seen")
NAMED = {"heat maps": "focal, γ = 2 (heat maps)", "focal": "focal, γ = 2, α = 0.25", "cross entropy": "cross entropy"}
for name, entry in recorded["focal"].items():
    print(f"{NAMED[name]:26s}", *("  " + " ".join(f"{value:4.1f}" for value in entry[key]) for key in ("ap50", "ap", "new_ap50")))

# %% [markdown] lang="zh"
# 出人意料：**普通的交叉熵最好**，AP50 在 97 上下；热力图的 focal 损失 93 到 95；RetinaNet 的 focal 损失最差，不到 88。三种之间，种子没有重叠。把高门槛也算进去的 AP 里，前两名就分不清了：热力图 68 到 72，交叉熵 71 到 72。目标相同，所以名次可以拆开看：从交叉熵到热力图，只多了 $\gamma=2$，AP50 掉两到五分；再加上 $\alpha$，又掉六到九分。$\alpha=0.25$ 把“是”的分量减到“不是”的三分之一，也让整个类别损失比框的损失轻了。
#
# 我们的不平衡是几百比一，而且起点已经是 $-\ln 99$：第 2 节第二行说过，物体一开始就占四成。淹没没有那么厉害，训练又短，focal 损失多半把好不容易有的信号也压低了。RetinaNet 也从 $-\ln 99$ 出发，面对的却是十万个锚框，又训练了九万步，那里才是它的用处。
# 教科书没有错，只是条件不同；**先数一数不平衡有多厉害，再决定要不要它**。我们的编码器一起学六件事时用的还是热力图的 focal 损失，这次比较之后看，未必是最好的选择。
#
# ### “注意力更好”“SwiGLU 更好”
#
# 每个头都可以换零件：注意力（multi_head；CBAM；differential 是两份注意力相减），前馈网络（mlp；glu 和 swiglu 带门控），归一化。公平的比法是**成本相同**：记录里先量每种一步要多少秒，贵的就少走几步，总时间一样。只看形状和检测两个头。先猜：最好的和最差的，差多少？

# %% [markdown] lang="en"
# A surprise: **plain cross entropy is best**, with an AP50 of about 97; the focal loss of heat maps has 93 to 95; RetinaNet's focal loss is worst, below 88, with no overlap of the seeds. In AP, with its high thresholds, the first two can no longer be told apart: heat maps 68 to 72, cross entropy 71 to 72. Since our bells are so narrow (section 2), all three have almost the same target, and the ranking can be taken apart: from cross entropy to heat maps what is added is $\gamma=2$, which costs two to five points of AP50; with $\alpha$ besides it is six to nine more. It lets a *yes* count a third of a *no*, and makes the whole loss of classes lighter beside that of boxes.
#
# Our imbalance is several hundred to one, and the start is at $-\ln 99$ already: by the second line in section 2 objects are four tenths of the loss at once. The likely reason: they are not drowned that badly, the training is short, and the focal loss turns down what signal there is. RetinaNet faced a hundred thousand anchors a picture and trained for ninety thousand steps; that is where it belongs.
# The textbook is not wrong, the conditions differ: **count the imbalance first, then decide**. Our encoder, with all six tasks, does use the focal loss of heat maps; after this comparison that may not be the best choice.
#
# ### "Attention is better", "SwiGLU is better"
#
# Every head can have other parts. The fair comparison is at **equal cost**: the recipe measures how long a step of each takes, and dearer ones get fewer steps, so that the time is the same. Only shape and detection heads are trained. (GLU and SwiGLU are feed-forward networks in which one half of the numbers opens and closes the other, as a gate; `differential` attention subtracts one attention map from another.) Guess first: how far apart are the best and the worst?

# %%
options = recorded["options"]
print("three seeds              steps  cost of a step  AP50       AP         shape")
for name, entry in options.items():
    cost = entry["seconds_a_step"] / options["plain"]["seconds_a_step"]
    print(f"{name:23s} {entry['steps']:6d} {cost:14.2f}  ", "  ".join(spread(entry[key]) for key in ("ap50", "ap", "shape")))

# %% [markdown] lang="zh"
# 看 AP50，没有一样胜过什么都不加的 plain（批归一化，没有注意力，没有前馈网络）。归一化里，层归一化、RMS 和它互相重叠，排不出名次；看 AP，RMS 比它高一点，71 到 72 对 69 到 70，种子没有重叠，可是形状并不更好。组归一化低一两分。前馈网络每步贵一两成，少走的那些步没有补回来，AP50 低两三分；SwiGLU 最低，86 到 91。
# 注意力最吃亏：256 个位置两两相看，一步要两倍半到五倍的时间，同样的时间只够走 121 步、60 步，成绩掉得很远；只看“哪些通道、哪些位置要紧”的 CBAM 便宜得多，掉得也少。
#
# 别读成“注意力没有用”。特征金字塔里本来就有一层，在最粗的 64 个位置上；这里量到的只是：训练总共十几秒时，时间花在更多的步子上更值。步数相同的比较，这里没有做；训练久得多、模型大得多时，结论可以反过来。
#
# ### “一个模型多做几件事，每件都更好”
#
# 六个任务一起学 300 步，对每个任务单独学 300 步。先猜：谁的分数高？

# %% [markdown] lang="en"
# In AP50 and shape none beats plain, which is batch norm with neither attention nor feed-forward network; from there it is 57 points of AP50 down to the last. Of the norms, layer and RMS norm overlap with plain, and there is no ranking them, but that RMS norm has a slightly higher AP in all three seeds (70.6–71.7 against 69.4–70.3); group norm is a point or two lower. Feed-forward networks make a step a tenth or two dearer, and the steps that are missing are not made up for: AP50 is two or three points lower on average, and with SwiGLU lowest, 86 to 91.
# Attention (`multi_head`, `differential`) comes off worst: with 256 places looking at each other a step takes between two and five times as long, the same time is enough for 121 or 60 steps only, and the scores are far behind. CBAM, which compares no places with each other and only weights channels and places by how much they matter, is much cheaper and loses less.
#
# Do not read "attention is useless" in it. The pyramid has a block of it anyway, on the 64 coarsest places; what is measured here is that in a training of some fifteen seconds, time is better spent on more steps. At equal steps nothing was compared here, and in much longer trainings of much larger models it may come out the other way.
#
# ### "A model that does more does each better"
#
# Six tasks together for 300 steps, against each task alone for 300 steps. Guess first: which scores are higher?

# %%
together, single = recorded["channels"]["free"], recorded["single"]
print("seeds 0, 1, 2                together, 300    alone, 300       together, 900 steps")
for task, key in (("shape", "class"), ("detection", "ap50"), ("detection", "ap"), ("instances", "mask_ap50"), ("segmentation", "miou"), ("depth", "abs_rel"), ("keypoints", "pck_given_box")):
    rows = (" ".join(f"{value:4.1f}" for value in entry[key]) for entry in (together, single[task], recorded["whole"]))
    print(f"{task:13s} {key:14s}", "   ".join(rows))
seconds = [entry["mean"]["seconds"] for entry in (together, recorded["whole"])]
print(f"time in seconds: together {seconds[0]:.0f} and {seconds[1]:.0f}; the six alone {sum(entry['mean']['seconds'] for entry in single.values()):.0f} in all,")
print("        ", ", ".join(f"{name} {entry['mean']['seconds']:.0f}" for name, entry in single.items()))

# %% [markdown] lang="zh"
# 先看头两列，步数相同。要**认东西**的，一起学更好：48 选 1 从单独学的 73 到 83 升到 91 到 92，框的 AP50 从 93 到 95 升到 96 到 97，掩码从 71 到 74 升到 82 到 85。
# **逐像素**的反而更差：mIoU 单独学是 89，一起学只有 68 到 75；深度的误差单独学 2.4 到 2.6，一起学 3.5 到 4.1。多半是各个头抢着要同样的特征，谁让步，要看权重；这里没有另外去量。关键点分不出高下，一起学时三个种子相差太大。
#
# 再看时间：单独学六遍，加起来要 101 秒；一起学 900 步要 110 秒，差不多。第三列就是这 900 步（考卷是 1000 张，前两列是 500 张）：每一项都胜过单独学的 300 步。所以这句话不能不加条件地说：**步数相同，有得有失；时间差不多时，一起学全胜**，因为特征金字塔只算一遍，省下的时间让每个任务走了三倍的步子。
#
# ## 9 把图变成几个向量
#
# 到这里，编码器的答案是给人看的。最后让它给别的模型看。VisualBERT、ViLBERT、UNITER（都在 2019 年）读图时，读的不是像素，也不是图像块，而是一个检测器事先存好的几十个**区域**（region），每个区域有一个向量、一个框（Anderson 等，2018，“自下而上的注意力”）。
# `regions` 就做这件事：取检测器最有把握的 $k$ 处，每处给出这几样：

# %% [markdown] lang="en"
# First the two columns at equal steps. Tasks that have to **recognise things** gain from company: `class` rises from 73–83 alone to 91–92, the AP50 of boxes from 93–95 to 96–97 (their AP overlaps), that of masks from 71–74 to 82–85. Of those that answer **for pixels**, two lose: the mIoU is about 89 alone and 68–75 together, and the error of depth
# 2.4–2.6 alone and 3.5–4.1 together. The heads pull at the same features, and who gives way probably depends on the weights. For corners nothing can be told, the three seeds together differ too much.
#
# Now the time: the six alone take 101 s in all and 900 steps together 110 s, which is much the same. Those are the third column (its exam has 1,000 pictures, the others' 500), where every score is better than that of 300 steps alone. So the claim needs its conditions: **at equal steps some win and some lose; in about equal time, together wins throughout**, because the pyramid is computed once, and the time saved gives every task three times the steps.
#
# ## 9 A picture as a few vectors
#
# So far the encoder's answers were for people. Now they are for other models. VisualBERT, ViLBERT and UNITER, all of 2019, read of a picture neither pixels nor patches but a few dozen **regions**, cached by a detector beforehand, each with a vector and a box (Anderson et al. 2018, "bottom-up attention").
# `regions` does just that: it takes the $k$ highest peaks of what the detector says, and hands over:

# %%
for name, values in untrained.regions(targets.images[:4], k=6)._asdict().items():
    print(f"{name:10s} {tuple(values.shape)}")
print("grid      ", tuple(untrained.grid(targets.images[:4]).shape))

# %% [markdown] lang="zh"
# `features` 是特征金字塔在那一处的向量，`positions` 是那一处的坐标，`boxes` 和 `scores` 是检测头说的。`grid` 是另一种读法：把整张图均匀地切成 8×8 格，一格一个向量，什么也不挑。画出带着的模型的六个区域：

# %% [markdown] lang="en"
# `features` are the pyramid's vectors at those places, `positions` where they are, `boxes` and `scores` what the detection head says. `grid` is another reading: the whole picture in 8×8 equal cells, a vector each, nothing chosen. Draw the six regions of the shipped model:

# %% tags=["live"]
#| alt-zh: 四张图，每张画着六个区域的框和分数：物体上的分数接近 1，其余的很低，多半是物体的一部分或背景
#| alt-en: four pictures with the boxes and scores of six regions each: near 1 on objects, low for the others, which are parts of objects or background
regions = shipped.regions(targets.images, k=6)
with plots.figure(12, 3.1, columns=4) as (_, panels):
    for number, axes in enumerate(panels):
        axes.imshow(rearrange(exam.images[number], "c h w -> h w c"))
        for box, score in zip(regions.boxes[number], regions.scores[number], strict=True):
            draw_box(axes, box, f"{score:.2f}", "-" if score > 0.3 else ":")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
sure = (regions.scores > 0.3).sum(1)
print(f"regions with a score above 0.3: {sure.double().mean():.2f} a picture; objects: {objects:.2f}")
print(f"pictures where both are equal: {100 * (sure == targets.picture.bincount(minlength=len(exam))).double().mean():.1f}%")
assert (sure == targets.picture.bincount(minlength=len(exam))).double().mean() > 0.7

# %% [markdown] lang="zh"
# 几乎每张图里，物体有几个，高分的区域就有几个；多出来的名额给了低分的地方，后面的模型可以看分数决定理不理。
#
# 区域的向量里有什么？检测头只用它说形状和框。我们不训练，只用最近邻来问：拿一个物体的向量，在**别的图**里找最像的向量，看那个物体的颜色、形状是不是一样。先猜：颜色 8 选 1，能对多少？

# %% [markdown] lang="en"
# In nearly every picture there are as many high scores as objects; the remaining regions are places with low scores, and a later model can go by the score whether to heed them.
#
# What is in a region's vector? The detection head uses it for a shape and a box only. Ask without any training, by nearest neighbours: take an object's vector, find the most similar one in **another picture**, and see whether that object has the same colour and shape. Guess first: colours, one of eight, how many are right?

# %% tags=["live"]
vectors = []
for k in range(len(exam)):
    nearest = box_iou(targets.boxes[targets.picture == k], regions.boxes[k]).argmax(1)  # the region of each object
    vectors.append(regions.features[k, nearest])
vectors = nn.functional.normalize(torch.cat(vectors), dim=1)
similar = (vectors @ vectors.T).masked_fill(targets.picture[:, None] == targets.picture, -1).argmax(1)
agree = {name: 100 * (values[similar] == values).double().mean().item() for name, values in (("colour", targets.color), ("shape", targets.shape))}
print("  ".join(f"{name} {share:.1f}%" for name, share in agree.items()), "  guessing: 12.5% and 16.7%")
assert min(agree.values()) > 60

# %% [markdown] lang="zh"
# 向量里有的，比检测头说出来的多：颜色也在里面，多半因为训练时另一个头问过颜色。区域比一个名字强，就强在这里。
#
# 怎样变成语言模型的词元？向量过一个线性层，框也过一个，加起来：

# %% [markdown] lang="en"
# There is more in the vector than the detection head says: colours too, which another head asked for in training. This is what a region has over a name.
#
# And how do they become tokens? The vector goes through a linear layer, the box through another, and they are added:

# %%
width, height = (regions.boxes[..., 2:] - regions.boxes[..., :2]).unbind(-1)
place = torch.cat([regions.boxes / 64, (width * height / 64**2)[..., None]], -1)  # two corners, four numbers, and the share of its area
tokens = nn.Linear(48, 64)(regions.features) + nn.Linear(5, 64)(place)
print("tokens", tuple(tokens.shape))

# %% [markdown] lang="zh"
# 位置的五个数是 ViLBERT 的（Lu 等，2019）：左上、右下，和占整张图的比例；UNITER 用七个，多了宽和高。第 04 章会拿区域和网格来比：各用几个词元，各知道多少；第 11 章的三个模型都从这里读图。

# %% [markdown] lang="en"
# The five numbers of the place are ViLBERT's (Lu et al. 2019): two corners, and the share of the picture's area; UNITER has seven, with width and height besides. Chapter 04 will compare regions with the grid, by how many tokens each takes and how much they know, and the three models of chapter 11 read pictures from here.

# %% [markdown] lang="zh"
# ## 练习
#
# 每道题都可以单独做：运行最上面的准备格子，再运行这道题的格子即可。写完后运行检查，它会告诉你错在哪里。

# %% [markdown] lang="en"
# ## Exercises
#
# Each can be done on its own: run the setup cell at the top, then the cells of the exercise. Run the check when you are done, and it tells you
# what is wrong.

# %% [markdown] lang="zh"
# **★ 先猜再跑（2 分钟）** 三个一样大的框排成一行：A 和 B 的交并比是 0.6，B 和 C 也是 0.6，A 和 C 只有 0.33。分数 A 最高，B 其次，C 最低。门槛 0.5，NMS 留下哪几个？再把 B 的分数改成最高，留下哪几个？

# %% [markdown] lang="en"
# **★ Predict, then run (2 min)** Three equal boxes stand in a row: the IoU of A and B is 0.6, that of B and C too, that of A and C only 0.33. A has the highest score, then B, then C. Which does NMS keep at a threshold of 0.5? And if B has the highest?

# %%
import torch

from vlmlearn.heads.vision.decoding import nms
from vlmlearn.losses import box_iou

row = torch.tensor([[0.0, 0, 12, 12], [3, 0, 15, 12], [6, 0, 18, 12]])
print("IoU of A and B, B and C, A and C:", *(f"{box_iou(row, row)[pair].item():.2f}" for pair in ((0, 1), (1, 2), (0, 2))))
for scores_of_three in ([0.9, 0.8, 0.7], [0.8, 0.9, 0.7]):
    print(scores_of_three, "keeps", ["ABC"[k] for k in nms(row, torch.tensor(scores_of_three), 0.5)])

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 第一种留下 A 和 C：B 被 A 去掉了，**去掉的框不再去掉别人**，C 和 A 重叠得不够。第二种只留 B。同样三个框，留两个还是一个，只看谁的分数高了一点点：NMS 不知道这里有几个物体。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# First it keeps A and C: B is dropped by A, **what was dropped drops nothing**, and C does not overlap enough with A. The second time it keeps B alone. The same three boxes become two or one by who scores a little higher: NMS does not know how many objects there are.
#
# </details>

# %% [markdown] lang="zh"
# **★ 先猜再跑（2 分钟）** 一共四个物体。检测器的排名是 对、错、对、对、错（第四个物体没找到）。AP 大约是多少？把最后一个“错”删掉呢？把第一个“错”删掉呢？

# %% [markdown] lang="en"
# **★ Predict, then run (2 min)** There are four objects. The ranking of a detector is right, wrong, right, right, wrong, and one object is not found. About what is AP? And without the last wrong one? And without the first wrong one?

# %%
import numpy as np


def ap_of(right, wanted):
    right = np.array(right)
    precision, recall = right.cumsum() / np.arange(1, len(right) + 1), right.cumsum() / wanted
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return best[np.searchsorted(recall, np.linspace(0, 1, 101))].mean()


for name, list_of_right in (("as it is", [1, 0, 1, 1, 0]), ("without the last wrong", [1, 0, 1, 1]), ("without the first wrong", [1, 1, 1, 0])):
    print(f"{name:24s} AP {100 * ap_of(list_of_right, 4):.1f}")

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 排在所有“对”后面的“错”，一分不值：删不删都一样。排在前面的“错”才要紧，它压低了后面每一个的精确率。没找到的那个，让最后四分之一的召回率永远得零分，所以这里的 AP 最多 75.2。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# A wrong one behind all the right ones costs nothing, deleted or not. A wrong one near the top matters: it lowers the precision of all that follow. And the object that was not found leaves the last quarter of recall at zero, so AP is at most 75.2 here.
#
# </details>

# %% [markdown] lang="zh"
# **★★ 交并比（15 分钟）** `a` 的形状是 (A, 4)，`b` 的形状是 (B, 4)，每个框是 (x1, y1, x2, y2)：左上角和右下角，单位是像素。x2、y2 在最后一个像素**之后**，所以宽就是 x2 − x1，不加 1。
# 返回 (A, B)：第 i 行第 j 列是 `a[i]` 和 `b[j]` 的交并比，交集面积除以并集面积。两个框的面积都是 0 时，结果是 0，不是 NaN。A、B 可以是 0；dtype 跟输入一致。

# %% [markdown] lang="en"
# **★★ IoU (15 min)** `a` has shape (A, 4) and `b` shape (B, 4); a box is (x1, y1, x2, y2), its left upper and its right lower corner in pixels. x2 and y2 lie one **past** the last pixel, so the width is x2 − x1, with no 1 added.
# Return (A, B): row i, column j is the IoU of `a[i]` and `b[j]`, the area of their intersection over the area of their union. Where neither box has an area it is 0 and not NaN. A and B may be 0; keep the dtype.

# %% exercise="box_iou"
import torch


def box_iou(a, b):
    ### BEGIN SOLUTION
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)  # clamp each side first: two negatives make a positive
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b))
    union = area_a[:, None] + area_b - shared
    return shared / torch.where(union > 0, union, 1)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("box_iou", box_iou)

# %% [markdown] lang="zh"
# **★★ GIoU（20 分钟）** 两个框不相交时，交并比总是 0，梯度也是 0：一个在旁边、一个在天边，损失看不出来。GIoU 补上了这一点：
# $\text{GIoU}=\text{IoU}-\frac{|C|-|A\cup B|}{|C|}$，$C$ 是包住两个框的最小矩形，减去的是 $C$ 里空着的比例。
# 这次 `a` 和 `b` 形状都是 (N, 4)，第 i 行配第 i 行，返回 (N,)，从 −1 到 1。哪个分母是 0，那一项就是 0。梯度要能流到 `a` 和 `b`。

# %% [markdown] lang="en"
# **★★ GIoU (20 min)** For two boxes that do not meet the IoU is 0, and so is its gradient: whether they are neighbours or worlds apart does not show in a loss. GIoU mends that:
# $\text{GIoU}=\text{IoU}-\frac{|C|-|A\cup B|}{|C|}$, where $C$ is the smallest rectangle around both and what is subtracted is the empty share of it.
# This time `a` and `b` both have shape (N, 4), row i goes with row i, and the result has shape (N,), from −1 to 1. A term whose denominator is 0 is 0. Gradients have to reach `a` and `b`.

# %% exercise="giou"
import torch


def giou(a, b):
    ### BEGIN SOLUTION
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)
    union = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - shared
    return shared / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("giou", giou)

# %% [markdown] lang="zh"
# **★★ focal 损失（20 分钟）** 检测器在几千个位置上问“这里有没有某一类？”，答案几乎都是“没有”，而且很容易。focal 损失让容易的答案几乎不算数：
# $-w\,(1-p_t)^{\gamma}\ln p_t$，$p_t$ 是**正确**答案的概率，权重 $w$ 在答案是 1 时为 $\alpha$，是 0 时为 $1-\alpha$。
# `logits` 和 `targets` 形状都是 (N, classes)，每个数是一道独立的判断题，用 sigmoid，不用 softmax；`targets` 只有 0 和 1；`alpha`、`gamma` 是数。返回一个数：对所有 N × classes 个值的**平均**。logit 到了 ±110 也不能出现 ∞ 或 NaN。

# %% [markdown] lang="en"
# **★★ The focal loss (20 min)** A detector asks at thousands of places whether something of a class is there, and nearly always the answer is an easy no. The focal loss lets easy answers count next to nothing:
# $-w\,(1-p_t)^{\gamma}\ln p_t$, where $p_t$ is the probability of the **right** answer, and the weight $w$ is $\alpha$ where the answer is 1 and $1-\alpha$ where it is 0.
# `logits` and `targets` have shape (N, classes), every number is a yes-or-no question by itself (a sigmoid, no softmax), and `targets` holds 0 and 1 only; `alpha` and `gamma` are numbers. Return one number, the **mean** over all N × classes values. Logits of ±110 must not give ∞ or NaN.

# %% exercise="focal_loss"
import torch
import torch.nn.functional as F


def focal_loss(logits, targets, alpha, gamma):
    ### BEGIN SOLUTION
    p = logits.sigmoid()
    right = torch.where(targets > 0, p, 1 - p)
    weight = torch.where(targets > 0, alpha, 1 - alpha)
    cost = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")  # −ln of `right`, without overflow
    return (weight * (1 - right) ** gamma * cost).mean()
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("focal_loss", focal_loss)

# %% [markdown] lang="zh"
# **★★ smooth L1（10 分钟）** 平方误差会被一个错得离谱的框带跑，L1 在目标附近又停不下来。smooth L1 两头都要：$|d|<\beta$ 时是 $d^2/2\beta$，否则是 $|d|-\beta/2$。
# `prediction` 和 `target` 形状都是 (N, 4)，`beta` 是大于 0 的数，单位跟它们一样。返回一个数：对所有 4N 个值的**平均**。N 可以是 0（一批没有目标的图），这时返回 0，不是 NaN。

# %% [markdown] lang="en"
# **★★ Smooth L1 (10 min)** The squared error follows one box that is far off, and L1 never settles near its target. Smooth L1 has the better half of each: $d^2/2\beta$ where $|d|<\beta$, and $|d|-\beta/2$ elsewhere.
# `prediction` and `target` have shape (N, 4), and `beta` is a number above 0 in the same unit. Return one number, the **mean** over all 4N values. N may be 0, in a batch without objects: return 0 then, and not NaN.

# %% exercise="smooth_l1"
import torch


def smooth_l1(prediction, target, beta):
    ### BEGIN SOLUTION
    d = (prediction - target).abs()
    values = torch.where(d < beta, d**2 / (2 * beta), d - beta / 2)
    return values.sum() / max(values.numel(), 1)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("smooth_l1", smooth_l1)

# %% [markdown] lang="zh"
# **★★ 不计尺度的深度误差（15 分钟）** 一张图看不出是真的房间还是娃娃屋，所以整体差一个倍数不该罚得太重。设 $d=\ln\text{预测}-\ln\text{真值}$，返回 $\sqrt{E[d^2]-\lambda\,E[d]^2}$：$\lambda=1$ 时，整体的倍数完全不算。
# `prediction` 和 `target` 形状都是 (batch, h, w)，单位是米；预测都大于 0。`target` ≤ 0 的像素没有测到深度，一点也不能参与。两个平均都在**整批**的有效像素上取，至少有一个有效。`lam` 是 0 到 1 的数，返回一个数。

# %% [markdown] lang="en"
# **★★ Depth up to scale (15 min)** A picture does not tell a room from a doll's house, so being wrong by one common factor should not cost too much. With $d=\ln\text{prediction}-\ln\text{truth}$, return $\sqrt{E[d^2]-\lambda\,E[d]^2}$: at $\lambda=1$ a common factor costs nothing.
# `prediction` and `target` have shape (batch, h, w), in metres; predictions are above 0. Pixels with `target` ≤ 0 were not measured and must not take part in any way. Both means run over the valid pixels of the **whole batch**, of which there is at least one. `lam` is a number from 0 to 1; return one number.

# %% exercise="silog_depth_loss"
import torch


def silog_depth_loss(prediction, target, lam):
    ### BEGIN SOLUTION
    valid = target > 0  # before the logarithm: the one of 0 is −∞
    d = prediction[valid].log() - target[valid].log()
    return (d.square().mean() - lam * d.mean().square()).sqrt()
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("silog_depth_loss", silog_depth_loss)

# %% [markdown] lang="zh"
# **★★★ 非极大值抑制（25 分钟）** 检测器常常给同一个物体好几个框。NMS 从分数最高的看起：一个框和某个已经**留下**的框交并比**大于** `threshold`，就去掉；等于不算。被去掉的框不再去掉别人。
# `boxes` 的形状是 (N, 4)，(x1, y1, x2, y2)，像素；`scores` 的形状是 (N,)，可以是负的 logit。返回留下的框在 `boxes` 里的行号，int64，形状 (K,)，按分数从高到低；分数相同时，行号小的在前。不分类别。N 可以是 0，框的面积可以是 0。

# %% [markdown] lang="en"
# **★★★ Non-maximum suppression (25 min)** A detector often gives several boxes for one object. NMS begins with the highest score: a box is dropped if its IoU with some box that has been **kept** is **above** `threshold`; equal is not above. What was dropped drops nothing.
# `boxes` has shape (N, 4), (x1, y1, x2, y2) in pixels; `scores` has shape (N,) and may hold negative logits. Return the rows of the boxes kept, int64, of shape (K,), the highest score first and of equal scores the lower row. There are no classes. N may be 0, and boxes may have no area.

# %% exercise="nms"
import torch


def nms(boxes, scores, threshold):
    ### BEGIN SOLUTION
    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best.item())
        one, others = boxes[best], boxes[left]
        sides = torch.minimum(one[2:], others[:, 2:]) - torch.maximum(one[:2], others[:, :2])
        shared = sides.clamp(min=0).prod(-1)
        union = (one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(-1) - shared
        left = left[shared / union.clamp(min=1e-9) <= threshold]
    return torch.tensor(kept, dtype=torch.int64)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("nms", nms)

# %% [markdown] lang="zh"
# **★★ 从增量到框（15 分钟）** Faster R-CNN 的网络不直接说框在哪里，它说怎样移动、拉伸一个锚框。`deltas` 的形状是 (N, 4)，(tx, ty, tw, th)；`anchors` 的形状是 (N, 4)，(x1, y1, x2, y2)，像素。
# 锚框的**中心**移动 tx 个锚框宽、ty 个锚框高；宽乘 $e^{t_w}$，高乘 $e^{t_h}$。取指数之前，tw、th 以 $\ln(1000/16)$ 为上限，不设下限：没训练过的网络会说 200。返回框，(N, 4)，(x1, y1, x2, y2)。N 可以是 0。

# %% [markdown] lang="en"
# **★★ From deltas to boxes (15 min)** The network of Faster R-CNN does not say where a box is; it says how to move and stretch an anchor. `deltas` has shape (N, 4), (tx, ty, tw, th); `anchors` has shape (N, 4), (x1, y1, x2, y2) in pixels.
# The anchor's **middle** moves by tx of its widths and ty of its heights; its width is multiplied by $e^{t_w}$ and its height by $e^{t_h}$. Before the exponential tw and th stop at $\ln(1000/16)$, with no lower end: an untrained network may say 200. Return the boxes, (N, 4), as (x1, y1, x2, y2). N may be 0.

# %% exercise="decode_boxes"
import math

import torch


def decode_boxes(deltas, anchors):
    ### BEGIN SOLUTION
    sides = anchors[:, 2:] - anchors[:, :2]
    middle = anchors[:, :2] + sides / 2 + deltas[:, :2] * sides
    sides = sides * deltas[:, 2:].clamp(max=math.log(1000 / 16)).exp()
    return torch.cat([middle - sides / 2, middle + sides / 2], dim=1)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("decode_boxes", decode_boxes)

# %% [markdown] lang="zh"
# **★★ soft-argmax（15 分钟）** 关键点头给每个关键点一张热力图。`argmax` 只准到一格，也没有梯度；换个办法：在整张图上做 softmax，再求位置的平均。
# `heatmaps` 的形状是 (B, K, H, W)，是 logit；`temperature` 是大于 0 的数，logit 先除以它。返回 (B, K, 2)，每个是 (x, y)，单位是**格**：左上角那一格的中心在 (0.5, 0.5)，右下角那一格的在 (W − 0.5, H − 0.5)。dtype 跟输入一致。

# %% [markdown] lang="en"
# **★★ Soft-argmax (15 min)** A keypoint head has a heat map for every keypoint. `argmax` is exact to one cell and has no gradient; instead, take a softmax over the whole map and then the mean place.
# `heatmaps` has shape (B, K, H, W) and holds logits; `temperature` is a number above 0 that divides them first. Return (B, K, 2), each an (x, y) in **cells**: the middle of the left upper cell is (0.5, 0.5), that of the right lower one (W − 0.5, H − 0.5). Keep the dtype.

# %% exercise="soft_argmax"
import torch


def soft_argmax(heatmaps, temperature):
    ### BEGIN SOLUTION
    p = (heatmaps / temperature).flatten(2).softmax(-1).view_as(heatmaps)  # one softmax over both axes
    h, w = heatmaps.shape[2:]
    x = torch.arange(w, dtype=heatmaps.dtype) + 0.5
    y = torch.arange(h, dtype=heatmaps.dtype) + 0.5
    return torch.stack([(p.sum(2) * x).sum(-1), (p.sum(3) * y).sum(-1)], dim=-1)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("soft_argmax", soft_argmax)

# %% [markdown] lang="zh"
# **🔧 修好一次训练（15 分钟）** 有人训练一个小网络，一张图只有一个物体，网络说出它的框。为了让图多一些变化，他把一半的图左右翻过来，跟图像分类的教程里一样。
# 损失从 6 以上降到 3 上下，就停住了；没见过的图里，大约五个框只有一个对（交并比至少 0.5）。框的高低和大小都差不多对，左右却总往图的正中间靠。
# 模型、损失和数据都是对的。找到毛病，改好。`images` 的形状是 (N, 3, 32, 32)；`boxes` 的形状是 (N, 4)，(x1, y1, x2, y2)，像素。函数要返回每一步的损失（一个列表）；检查会训练一次，几秒钟，再数没见过的图里对了多少个框。

# %% [markdown] lang="en"
# **🔧 Repair a training run (15 min)** Somebody trains a small network that gives the box of the one object in a picture. For more variety half of the pictures are mirrored, as in any course on image classification. The loss falls from above 6 to about 3 and stays there;
# in new pictures about one box in five is right (an IoU of at least 0.5). The boxes are about as high up and as large as they should be, but sideways they keep to the middle of the picture. The model, the loss and the data are right. Find the fault and mend it.
# `images` has shape (N, 3, 32, 32); `boxes` has shape (N, 4), (x1, y1, x2, y2) in pixels. Keep returning the loss of every step in a list; the check trains for a few seconds and then counts the right boxes in new pictures.

# %% exercise="train_boxes"
import torch
import torch.nn.functional as F


def train_boxes(model, images, boxes, steps):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        pictures, targets = images[batch], boxes[batch]
        mirrored = torch.rand(32) < 0.5  # half of them, so that a picture is not the same every time
        ### BEGIN SOLUTION
        pictures[mirrored] = pictures[mirrored].flip(3)
        x1, y1, x2, y2 = targets[mirrored].T
        targets[mirrored] = torch.stack([32 - x2, y1, 32 - x1, y2], dim=1)  # the right edge becomes the left one
        ### PLANTED
        # pictures[mirrored] = pictures[mirrored].flip(3)
        ### END SOLUTION
        loss = F.smooth_l1_loss(model(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
from vlmlearn.exercises import check

check("train_boxes", train_boxes)

# %% [markdown] lang="zh"
# **◇ 开放实验：哪一种增强值得用（90 分钟）** 镜像、平移和放大、通道、明暗、噪声，`Augmentation` 都会，还会把标签一起改好。在步数相同时，哪一种真的有用？对谁有用：见过的搭配，没见过的搭配，还是照片背景（下一节）？
# 从 `recipe.scene_batches` 学起，自己写批次；一次只改一样；先写下预测，再动手；每种至少三个随机种子，各 300 步。
#
# | | 不足 | 合格 | 优秀 |
# |---|---|---|---|
# | 预测 | 没有 | 对每种增强说出哪一项会变 | 有数，并说出依据（世界里本来就有的变化，增强了也是白做） |
# | 公平 | 步数不同 | 步数、批次、学习率都相同 | 还量了每一步的秒数，在成本相同处再比一次 |
# | 标签 | 只改像素 | 用 `augment`，并画几张出来核对 | 说明哪些标签没法跟着动，去掉了什么 |
# | 泄漏 | 没想到 | 说明有没有看见没见过的搭配 | 两种都做：守规矩的和放开的，分开报告 |
# | 结论 | 只报最好的那个数 | 说明差别是否超过种子之间的波动 | 说明为什么有用，并说出在真实照片上还能不能这样推断 |

# %% [markdown] lang="en"
# **◇ Open lab: which augmentation is worth it? (90 min)** Mirroring, shift and zoom, channels, light, noise: `Augmentation` does them all and sets the labels right. Which of them really helps at equal steps? And what does it help: seen pairs, never-seen pairs, or photographs behind the objects (the next section)? Learn from
# `recipe.scene_batches` and write your own batches; change one thing at a time; write down a prediction first; at least three seeds of 300 steps each.
#
# | | weak | sound | excellent |
# |---|---|---|---|
# | prediction | none | says which score each will change | numbers, with a reason: what varies in the world anyway need not be augmented |
# | fairness | other numbers of steps | equal steps, batches and learning rates | also seconds a step, and once more at equal cost |
# | labels | only pixels are changed | `augment` is used, and some pictures drawn to check | says which labels cannot follow, and what was dropped |
# | leaks | not thought of | says whether never-seen pairs were seen | both ways, keeping the rules and not, reported apart |
# | conclusion | the best number only | says whether the difference exceeds the spread of seeds | says why it helps, and whether that would carry over to real photographs |

# %% [markdown] lang="zh"
# ## 10 玩具世界掩盖了什么
#
# 我们的考卷，背景都是训练时见过的那种纹理。把同样的物体放到照片上（第 01 章的 B 组：火箭、猫、砖墙、砾石），标签一个不变。先猜：带着的模型，AP50 会掉多少？mIoU 呢？深度呢？

# %% [markdown] lang="en"
# ## 10 What the toy hides
#
# In our exam all backgrounds are texture of the kind that training showed. Put the same objects on photographs (group B of chapter 01: a rocket, a cat, bricks, gravel), with all labels as they are. Guess first: how far does the AP50 of the shipped model fall? And mIoU, and depth?

# %% tags=["live"]
#| alt-zh: 一张照片背景上的图和带着的模型的六个回答：框，实例，类别，深度，置信度，角
#| alt-en: a picture on a photograph with the six answers of the shipped model: boxes, instances, classes, depth, confidence, corners
on_photos = labelled_pictures(exam.scenes, backgrounds=photo_backgrounds(exam.scenes, "test"))
photo_scores = scene_scores(shipped, on_photos)
print("                     " + "  ".join(f"{name:>9s}" for name in ("class", "ap50", "mask_ap50", "miou", "abs_rel")))
for name, values in (("texture", shipped_scores), ("photographs", photo_scores)):
    print(f"{name:20s} ", "  ".join(f"{values[key]:9.1f}" for key in ("class", "ap50", "mask_ap50", "miou", "abs_rel")))
show_answers(shipped, on_photos, 0)
assert photo_scores["miou"] < shipped_scores["miou"] - 10 and shipped_scores["ap50"] > 95

# %% [markdown] lang="zh"
# 三种结果，各不相同。框和名字几乎不掉。分割掉了二十分上下：连猫的鼻子也被它当成了一个物体（第二格）；背景上多出来的一小块，就压低一整类的交并比。深度最惨，比一张平均深度图还差：判断远近的线索是远处的雾气，这些图里雾气一点没少，可是隔着没见过的背景，它多半读错了。第 01 章的补救，在训练里掺进别的照片，这一章没有量。
#
# 还有别的东西，这个世界里看不到：
#
# - 我们的标签由程序给出，一个像素也不错。真实的框和掩码是人画的，两个人画的也不一样，交并比 0.95 常常谁也达不到。
# - 我们的图里最多四个物体，被挡的、出了图边的，也总还露出一大半。COCO 的一张图里平均有七个多，小的、被挡的、挤成一堆的都有。
# - 我们的地面总是平的，图的下沿总是 2 米远，所以一张平均深度图已经不太差。换一台相机，它就一文不值。
# - 我们的三角形只有三个角，很少被挡住。人的十七个关键点常常被挡住。

# %% [markdown] lang="en"
# Three outcomes. Boxes and names hardly suffer. Segmentation loses some twenty points: even the cat's nose is taken for something (it gets a mask in the second panel), and a patch of background lowers the IoU of a whole class. Depth fares worst, worse than one mean map for all. One of its cues is the haze of distance, of which these pictures have as much as ever; probably it misreads it on backgrounds never seen. The remedy of chapter 01, other photographs in training, is not measured in this chapter.
#
# More that this world does not show:
#
# - Our labels come from a program and are right to the pixel. Real boxes and masks are drawn by people, no two of them alike, and an IoU of 0.95 is often beyond everybody.
# - Our pictures hold four objects at most, hardly ever hidden. A picture of COCO has more than seven on average, small, hidden and crowded ones among them.
# - Our ground is always flat and its lower edge always 2 metres away, so a mean depth map is not too bad. With another camera it is worth nothing.
# - Our triangles have three corners, which are rarely hidden or outside the picture. Of the seventeen keypoints of a person, some are usually hidden.

# %% [markdown] lang="zh"
# ## 11 真正的规模
#
# | | 这一章 | 发表的系统 |
# |---|---|---|
# | 数据 | 2.4 万张生成的图，6 类 | COCO：训练集 11.8 万张照片，80 类 |
# | 检测，AP（0.5–0.95） | 80–81（我们的世界） | RetinaNet 39.1（ResNet-101-FPN）；CenterNet 45.1（多尺度测试）；FCOS 44.7（ResNeXt-64x4d-101） |
# | 实例分割，AP | 79–80 | Mask R-CNN 35.7（ResNet-101-FPN）；YOLACT 29.8，每秒 33 帧 |
# | 关键点 | 三角形的三个角 | Mask R-CNN：人的 17 个关键点 |
# | 深度 | 一台相机，一块平地 | Eigen 等：NYU Depth（室内）和 KITTI（街道） |
# | 区域 | 48 维，6 个 | Anderson 等：2048 维，每张图 36 个或 10 到 100 个；检测器在 Visual Genome 上训练，1600 类物体、400 类属性 |
# | 编码器 | 35 万个权重 | 几千万到上亿个 |
#
# 左右两栏的 AP 不能比：图不一样，题不一样。右栏都引自各自的论文，AP 都在 COCO 上测得。

# %% [markdown] lang="en"
# ## 11 At full scale
#
# | | this chapter | published systems |
# |---|---|---|
# | data | 24 thousand generated pictures, 6 classes | COCO: 118 thousand photographs for training, 80 classes |
# | detection, AP (0.5–0.95) | 80–81, in our world | RetinaNet 39.1 (ResNet-101-FPN); CenterNet 45.1 (multi-scale testing); FCOS 44.7 (ResNeXt-64x4d-101) |
# | instance segmentation, AP | 79–80 | Mask R-CNN 35.7 (ResNet-101-FPN); YOLACT 29.8, at 33 frames a second |
# | keypoints | three corners of triangles | Mask R-CNN: 17 keypoints of people |
# | depth | one camera, one flat ground | Eigen et al.: NYU Depth (indoors) and KITTI (streets) |
# | regions | 48 numbers, 6 of them | Anderson et al.: 2,048 numbers, 36 or 10 to 100 a picture; a detector trained on Visual Genome, 1,600 classes of objects and 400 of attributes |
# | encoder | 0.35 million weights | tens to hundreds of millions |
#
# The APs of the two columns cannot be compared: other pictures, other questions. The APs on the right are from the papers, on COCO.

# %% [markdown] lang="zh"
# ## 12 小结
#
# - 一个编码器，许多任务头：特征金字塔只算一遍，每个头读同样的特征图。损失要 `logits`，人看 `probabilities`。
# - 交并比 0.5，是每个框被盖住三分之二；没碰到的框，$1-\text{IoU}$ 没有梯度，$1-\text{GIoU}$ 有。
# - 背景远比物体多：偏置从先验出发，物体在损失里的份额从千分之二升到四成；focal 损失要看不平衡有多厉害，在这里，AP50 反而不如交叉熵。
# - AP 只看排名，不设分数的门槛；它不是准确率，也不说在你的门槛上会错多少。NMS 是人定的规则，没有一个权重。
# - 深度的单位不在像素里：$\lambda=1$ 的损失不教单位。置信度不用标签也学得出来，排名靠得住。
# - 图动了，标签也要动：框、掩码、角的名字、句子；有的标签动不了，就该拒绝。
# - 最有把握的几处，一处一个向量加一个框，就是后面的模型要读的区域。
#
# **大家说 / 其实是**
#
# | 大家说 | 其实是 |
# |---|---|
# | “AP 就是准确率” | 是排名的分数：塞进一大堆零分的乱框，AP 几乎不动，精确率一塌糊涂 |
# | “交并比 0.5 就是盖住一半” | 一样大的两个框，要互相盖住三分之二；盖住一半只有 0.33 |
# | “NMS 是学来的” | 一条规则，一个门槛；靠得近的真物体也会被它去掉 |
# | “翻转不花钱” | 框、掩码、深度、角的名字、左右的句子都要跟着改；转九十度，深度怎么改都不对 |
# | “类别不平衡就要 focal 损失” | 几百比一、从先验出发、训练又短时，交叉熵的 AP50 更高 |
# | “置信度就是分数” | 检测的分数只用来排名；深度的置信度是预计误差换算出来的，要另外校准 |
# | “softmax 以后再交给损失更稳妥” | 那样做了两次 softmax，损失下不去，也没有报错 |

# %% [markdown] lang="en"
# ## 12 Summary
#
# - One encoder, many task heads: the pyramid is computed once, and each head reads the same maps. Losses want `logits`, people look at `probabilities`.
# - At an IoU of 0.5 two thirds of each box are covered; where boxes do not touch, $1-\text{IoU}$ has no gradient and $1-\text{GIoU}$ has.
# - There is far more background than objects: a bias that starts from the prior lifts the objects' share of the loss from two thousandths to four tenths; whether the focal loss helps depends on the conditions, and here its AP50 is lower than that of cross entropy.
# - AP goes by order and sets no threshold; it is no accuracy and does not say how much goes wrong at yours. NMS is a rule that somebody made, without a weight.
# - The unit of depth is not in the pixels: a loss with $\lambda=1$ does not teach it. Confidence can be learnt without labels, and its order can be relied on.
# - Labels move with the picture: boxes, masks, names of corners, sentences; where a label cannot move, refuse.
# - The surest few places, a vector and a box each, are the regions that later models read.
#
# **People say / it means**
#
# | people say | it means |
# |---|---|
# | "AP is accuracy" | it scores an order: heaps of random boxes with a score of zero hardly move it, while precision collapses |
# | "IoU 0.5 is half covered" | two equal boxes have to cover two thirds of each other; half is 0.33 |
# | "NMS is learnt" | a rule with a threshold; real objects close together are dropped as well |
# | "flips are free" | boxes, masks, names of corners and words for left and right have to follow, and depth may not be turned at all |
# | "imbalance calls for the focal loss" | at a few hundred to one, starting from the prior, in a short training, cross entropy has the higher AP50 |
# | "confidence is the score" | a detector's scores are for ranking; the confidence of depth is made of an expected error, and calibration is another matter |
# | "a softmax before the loss is the safe way" | it makes two softmaxes; the loss stays high, and there is no error |

# %% [markdown] lang="zh"
# **小测：五道题**
#
# 1. 两个 10×10 的框，横竖都错开 5 个像素。交并比是多少？
# 2. 两个框不相交，离得越来越远。$1-\text{GIoU}$ 趋向多少？
# 3. 每张图 1536 个问题，2.5 个“是”。从 0.5 出发，第一步的交叉熵大约有多少来自“不是”？
# 4. 把一个检测器的所有分数都除以 2，AP50 怎样变？
# 5. 只用 $\lambda=1$ 训练的深度头，为什么米数不可信？怎样补救？
#
# <details><summary>答案</summary>
#
# 1. 共有 25，合起来 175，约 0.14。
# 2. 2：交并比是 0，$C$ 几乎全空，GIoU 趋向 −1。
# 3. 99.8%：每个答案都付 $\ln 2$，按个数算。
# 4. 不变，次序没有变。
# 5. 这个损失对整体的倍数没有斜率，倍数停在哪里全凭起点。每张图拿一处已知的距离来定一个倍数就行。
#
# </details>

# %% [markdown] lang="en"
# **Five questions**
#
# 1. Two boxes of 10×10 pixels, one moved by 5 pixels both ways. What is their IoU?
# 2. Two boxes do not touch and move farther and farther apart. What does $1-\text{GIoU}$ tend to?
# 3. A picture has 1,536 questions and 2.5 times *yes*. Starting from 0.5, how much of the first loss comes from *no*?
# 4. All scores of a detector are divided by 2. What happens to its AP50?
# 5. A depth head was trained with $\lambda=1$ only. Why are its metres not to be trusted, and how can it be mended?
#
# <details><summary>Answers</summary>
#
# 1. They share 25 of 175, about 0.14.
# 2. To 2: the IoU is 0, $C$ is nearly all empty, and GIoU tends to −1.
# 3. 99.8%: every answer pays $\ln 2$, so it goes by number.
# 4. Nothing, the order is the same.
# 5. The loss has no slope for a common factor, which stays wherever it began. For each picture take a known distance and fit one factor: with this loss pictures need not share one.
#
# </details>

# %% [markdown] lang="zh"
# **参考文献**
#
# - Rezatofighi 等，2019，[Generalized Intersection over Union](https://arxiv.org/abs/1902.09630)（提出 GIoU）
# - Lin 等，2017，[Feature Pyramid Networks for Object Detection](https://arxiv.org/abs/1612.03144)（特征金字塔）
# - Lin 等，2017，[Focal Loss for Dense Object Detection](https://arxiv.org/abs/1708.02002)（RetinaNet；先验见第 4.1 节）
# - Ren 等，2015，[Faster R-CNN](https://arxiv.org/abs/1506.01497)（锚框）
# - Zhou 等，2019，[Objects as Points](https://arxiv.org/abs/1904.07850)（CenterNet）
# - Tian 等，2019，[FCOS](https://arxiv.org/abs/1904.01355)（到四边的距离）
# - He 等，2017，[Mask R-CNN](https://arxiv.org/abs/1703.06870)
# - Bolya 等，2019，[YOLACT](https://arxiv.org/abs/1904.02689)（原型和系数）
# - Carion 等，2020，[End-to-End Object Detection with Transformers](https://arxiv.org/abs/2005.12872)（DETR）
# - Lin 等，2014，[Microsoft COCO](https://arxiv.org/abs/1405.0312)
# - Eigen 等，2014，[Depth Map Prediction from a Single Image using a Multi-Scale Deep Network](https://arxiv.org/abs/1406.2283)（尺度不变损失）
# - Kendall 和 Gal，2017，[What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?](https://arxiv.org/abs/1703.04977)（学出来的不确定度）
# - Anderson 等，2018，[Bottom-Up and Top-Down Attention for Image Captioning and Visual Question Answering](https://arxiv.org/abs/1707.07998)（区域）
# - Lu 等，2019，[ViLBERT](https://arxiv.org/abs/1908.02265)；Li 等，2019，[VisualBERT](https://arxiv.org/abs/1908.03557)；Chen 等，2020，[UNITER](https://arxiv.org/abs/1909.11740)
#
# **下一章：** 回到主线，让模型开口说话：00c 很小的语言模型（即将推出），04 投影器（即将推出）。这一章的区域，到 04 和 11 还会再见。

# %% [markdown] lang="en"
# **References**
#
# - Rezatofighi et al. 2019, [Generalized Intersection over Union](https://arxiv.org/abs/1902.09630) (GIoU)
# - Lin et al. 2017, [Feature Pyramid Networks for Object Detection](https://arxiv.org/abs/1612.03144)
# - Lin et al. 2017, [Focal Loss for Dense Object Detection](https://arxiv.org/abs/1708.02002) (RetinaNet; the prior is in section 4.1)
# - Ren et al. 2015, [Faster R-CNN](https://arxiv.org/abs/1506.01497) (anchors)
# - Zhou et al. 2019, [Objects as Points](https://arxiv.org/abs/1904.07850) (CenterNet)
# - Tian et al. 2019, [FCOS](https://arxiv.org/abs/1904.01355) (distances to four sides)
# - He et al. 2017, [Mask R-CNN](https://arxiv.org/abs/1703.06870)
# - Bolya et al. 2019, [YOLACT](https://arxiv.org/abs/1904.02689) (prototypes and coefficients)
# - Carion et al. 2020, [End-to-End Object Detection with Transformers](https://arxiv.org/abs/2005.12872) (DETR)
# - Lin et al. 2014, [Microsoft COCO](https://arxiv.org/abs/1405.0312)
# - Eigen et al. 2014, [Depth Map Prediction from a Single Image using a Multi-Scale Deep Network](https://arxiv.org/abs/1406.2283) (the scale-invariant loss)
# - Kendall & Gal 2017, [What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?](https://arxiv.org/abs/1703.04977) (learnt uncertainty)
# - Anderson et al. 2018, [Bottom-Up and Top-Down Attention for Image Captioning and Visual Question Answering](https://arxiv.org/abs/1707.07998) (regions)
# - Lu et al. 2019, [ViLBERT](https://arxiv.org/abs/1908.02265); Li et al. 2019, [VisualBERT](https://arxiv.org/abs/1908.03557); Chen et al. 2020, [UNITER](https://arxiv.org/abs/1909.11740)
#
# **Next:** back to the main thread, to make the model speak: 00c a tiny language model (coming), then 04 projectors (coming). The regions of this chapter return in 04 and 11.
