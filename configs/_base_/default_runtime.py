# What every training shares: logs, checkpoints, the run's seed.
default_scope = "mmseg"
custom_imports = dict(imports=["mmseg_cosda"])
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    # Seconds that processes wait for one that doesn't answer; then the run ends.
    dist_cfg=dict(backend="nccl", timeout=1800),
)
default_hooks = dict(
    # The host's, but reads log scalars from the device once per log line.
    runtime_info=dict(type="DeferredLogsHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # The last and the best are both kept; a file is whole or absent.
    checkpoint=dict(
        type="CheckpointHook",
        by_epoch=False,
        interval=2000,
        max_keep_ckpts=2,
        save_best="mIoU",
        rule="greater",
        backend_args=dict(backend="atomic_local"),
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    # The host's SegVisualizationHook, but images in nested folders keep their names.
    visualization=dict(type="PredictionNamesHook"),
)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(
    type="SegLocalVisualizer", vis_backends=vis_backends, name="visualizer"
)
custom_hooks = [dict(type="AlignmentReportHook", interval=500)]
model_wrapper_cfg = dict(type="UDADistributedDataParallel")
randomness = dict(seed=0)
log_processor = dict(by_epoch=False)
log_level = "INFO"
load_from = None
resume = False
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
# test.py --tta: the mean of the softmaxes of an image and its mirror image.
tta_model = dict(type="SegTTAModel")
