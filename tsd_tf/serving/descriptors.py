"""What the services look like, for those who ask by reflection."""

from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tsd_tf.contract import messages


def descriptors() -> DescriptorPool:
    """A pool that holds the services and their messages, as far as this package reads them.

    tensorflow-serving-api's own modules describe no ModelService: one of them cannot be imported.
    """
    pool = DescriptorPool()
    for file in messages.FILES:
        pool.AddSerializedFile(file.SerializeToString())
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool
