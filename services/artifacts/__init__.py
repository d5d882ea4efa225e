"""Checks of what a release carries beside its code, each by a tool and each with a verdict."""

from services.artifacts.dockerfile import check_dockerfile
from services.artifacts.docs import check_docs
from services.artifacts.sbom import check_sbom
from services.artifacts.workflow import check_gitlab_pipeline, check_workflow

__all__ = ["check_dockerfile", "check_docs", "check_gitlab_pipeline", "check_sbom", "check_workflow"]
