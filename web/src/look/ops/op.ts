// Ops: what an op is called and how it is explained, in the page's language.
import type { NodeCard } from '../types';
import { formulas } from './formulas';
import { t as help } from './help/words';
import { t as names } from './names/words';

/** Ops that do the same thing as one that is explained. */
const SAME: Record<string, string> = {
  convolution: 'conv2d',
  addmm: 'linear',
  relu_: 'relu',
  native_batch_norm: 'batch_norm',
  _native_batch_norm_legit_no_training: 'batch_norm',
  native_layer_norm: 'layer_norm',
  _softmax: 'softmax',
  _log_softmax: 'log_softmax',
  nll_loss_nd: 'nll_loss',
  view: 'reshape',
  _unsafe_view: 'reshape',
  add_: 'add',
  mul_: 'mul',
  concat: 'cat',
  leaky_relu_: 'leaky_relu',
  hardtanh_: 'hardtanh',
  feature_dropout: 'dropout',
  ones_like: 'ones',
  zeros_like: 'zeros',
  new_zeros: 'zeros',
  full_like: 'full',
  _to_copy: 'to',
  type_as: 'to',
  contiguous: 'clone',
  clamp_min: 'clamp',
  clamp_max: 'clamp',
  bitwise_not: 'logical_not',
  index_select: 'index',
  expand_as: 'expand',
  min: 'amin',
  bmm: 'matmul',
  mm: 'matmul',
};

const known = (op: string): string => SAME[op] ?? op;
/** A word or two, for above a column. */
export const shortOf = (node: NodeCard): string => names.find(`op.${known(node.op)}.short`) ?? node.op;

/** The field's term, and torch's own name where there is none. */
export const nameOf = (node: NodeCard): string => names.find(`op.${known(node.op)}.name`) ?? node.op;

export const helpOf = (node: NodeCard): string => help.find(`op.${known(node.op)}.help`) ?? help('op.other.help');

export const formulaOf = (node: NodeCard): string | null => formulas[known(node.op)] ?? null;
