"""The verbs of the API on the store: create, get, update, patch and delete, with all that they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable

from aiohttp import web

from . import errors
from .defaults import encode_secret, prepare
from .deleting import Deletion, delete, finish
from .listing import list_items, selected
from .patching import JSON, patched
from .quota import check_quota
from .request import ApiRequest
from .resources import DEFINITIONS, NAMESPACES, PODS, SECRETS, Object, Resource, Resources
from .store import Store, key_of, now_text
from .validation import check_change, check_new

_KEPT_METADATA = ("uid", "creationTimestamp", "namespace", "name", "generation", "deletionTimestamp")
ReadLog = Callable[[Object, ApiRequest], str]


class Api:
    """Answers requests that were let through. ``read_log`` gives the text of a pod's log."""

    def __init__(self, store: Store, resources: Resources, read_log: ReadLog) -> None:
        self._store = store
        self._resources = resources
        self._read_log = read_log

    def perform(self, request: ApiRequest) -> web.Response:
        """Carries a request out. Raises :class:`ApiError`."""
        match request.verb:
            case "list":
                return web.json_response(list_items(self._store, request))
            case "get":
                return self._get(request)
            case "create":
                return web.json_response(self._create(request), status=201)
            case "update" | "patch":
                return web.json_response(self._change(request))
            case "delete":
                return self._delete(request)
        return web.json_response(self._delete_collection(request))

    def _key(self, request: ApiRequest) -> tuple[str, str]:
        return (request.namespace if request.resource.namespaced else ""), request.name

    def _get(self, request: ApiRequest) -> web.Response:
        item = self._store.get(request.resource, *self._key(request))
        if request.subresource == "log":
            return web.Response(text=self._read_log(item, request))
        return web.json_response(item)

    # --- create -------------------------------------------------------------------------------------------------

    def _create(self, request: ApiRequest) -> Object:
        if request.name:
            return self._create_below(request)
        if request.resource.namespaced and not request.namespace:
            raise errors.method_not_allowed()
        body = _checked_body(request)
        if request.resource.namespaced:
            self._check_namespace(request)
        if (body.get("metadata") or {}).get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise errors.ApiError(500, "InternalError", message)
        return self.insert(request.resource, body, request.namespace, dry_run=request.dry_run)

    def insert(self, resource: Resource, body: Object, namespace: str, *, dry_run: bool = False) -> Object:
        """Makes an object of what was sent. Raises :class:`ApiError`."""
        item = prepare(resource, body, namespace)
        try:
            check_new(resource, item)
            check_quota(self._store, resource, item)
        except ValueError as error:
            raise errors.bad_request(
                f"{resource.kind} {item['metadata'].get('name')!r} cannot be handled: {error}"
            ) from error
        if dry_run:
            name = item["metadata"]["name"]
            if self._store.find(resource, item["metadata"].get("namespace") or "", name):
                raise errors.already_exists(resource, name)
            item["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "creationTimestamp": now_text()}
            return item
        if resource is DEFINITIONS:
            self._resources.define(item)
            accepted = [{"type": kind, "status": "True"} for kind in ("NamesAccepted", "Established")]
            item["status"] = {"conditions": accepted, "acceptedNames": item["spec"]["names"]}
        return self._store.create(resource, item)

    def _check_namespace(self, request: ApiRequest) -> None:
        namespace = self._store.get(NAMESPACES, "", request.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            raise errors.forbidden(
                request.resource,
                request.target,
                f"unable to create new content in namespace {request.namespace} because it is being terminated",
                causes=[{"reason": "NamespaceTerminating", "field": "metadata.namespace"}],
            )

    def _create_below(self, request: ApiRequest) -> Object:
        """What is made below a pod: that it belongs to a node, and that it is to be evicted."""
        if request.subresource == "binding":
            node = ((request.body or {}).get("target") or {}).get("name") or ""
            self.bind(request.namespace, request.name, node)
        elif request.subresource == "eviction":
            options = (request.body or {}).get("deleteOptions") or {}
            delete(self._store, PODS, request.namespace, request.name, Deletion(options.get("gracePeriodSeconds")))
        else:
            raise errors.method_not_allowed()
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def bind(self, namespace: str, name: str, node: str) -> Object:
        """Gives a pod to a node. Raises :class:`ApiError` 409 where it has one."""
        pod = copy.deepcopy(self._store.get(PODS, namespace, name))
        if pod["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise errors.conflict(PODS, name, why)
        pod["spec"]["nodeName"] = node
        others = [each for each in pod["status"].get("conditions") or [] if each["type"] != "PodScheduled"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now_text()}
        pod["status"]["conditions"] = [*others, scheduled]
        return self._store.replace(PODS, pod)

    # --- update and patch ---------------------------------------------------------------------------------------

    def _change(self, request: ApiRequest) -> Object:
        if request.subresource not in ("", "status"):
            raise errors.method_not_allowed()
        old = self._store.get(request.resource, *self._key(request))
        if request.verb == "patch":
            sent = patched(old, request.body, request.http.content_type)
            asked = {} if request.http.content_type == JSON else request.body.get("metadata") or {}
        else:
            sent = copy.deepcopy(_checked_body(request))
            asked = sent["metadata"] = sent.get("metadata") or {}
            if asked.get("name") not in (None, request.name):
                raise errors.bad_request(
                    f"the name of the object ({asked['name']}) does not match the name on the URL ({request.name})"
                )
            if request.resource.needs_version and not asked.get("resourceVersion"):
                missing = ("metadata.resourceVersion", "FieldValueInvalid", "must be specified for an update")
                raise errors.invalid(request.resource.kind, request.name, [missing], group=request.resource.group)
        _check_is_same(request.resource, old, asked, is_patch=request.verb == "patch")
        new = _combined(request, old, sent)
        check_change(request.resource, old, new)
        if request.dry_run or old == new:
            return new if request.dry_run else old
        return finish(self._store, request.resource, self._store.replace(request.resource, new))

    # --- delete -------------------------------------------------------------------------------------------------

    def _delete(self, request: ApiRequest) -> web.Response:
        if request.subresource:
            raise errors.method_not_allowed()
        old, gone = delete(self._store, request.resource, *self._key(request), _how(request))
        if gone and request.resource is DEFINITIONS:
            self._undefine(old)
        metadata = old["metadata"]
        if request.resource.returns_deleted or not gone:
            return web.json_response(old)
        group = {"group": request.resource.group} if request.resource.group else {}
        details = {"name": metadata["name"], **group, "kind": request.resource.plural, "uid": metadata["uid"]}
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    def _delete_collection(self, request: ApiRequest) -> Object:
        items, how = selected(self._store, request), _how(request)
        for item in items:
            delete(self._store, request.resource, *key_of(item), how)
        metadata = {"resourceVersion": str(self._store.version)}
        return {
            "kind": f"{request.resource.kind}List",
            "apiVersion": request.resource.api_version,
            "metadata": metadata,
            "items": items,
        }

    def _undefine(self, definition: Object) -> None:
        for resource in self._resources.undefine(definition):
            for item in self._store.items(resource):
                self._store.remove(resource, *key_of(item))


def _checked_body(request: ApiRequest) -> Object:
    body, resource = request.body, request.resource
    if not isinstance(body, dict):
        raise errors.bad_request(f"the body of the request must be an object of kind {resource.kind}")
    for field, expected in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if body.get(field) not in (None, expected):
            raise errors.bad_request(
                f"the {field} in the data ({body[field]}) does not match the expected {field} ({expected})"
            )
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    if resource.namespaced and (metadata or {}).get("namespace") not in (None, "", request.namespace):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return body


def _check_is_same(resource: Resource, old: Object, asked: Object, *, is_patch: bool) -> None:
    """What the caller says about version and uid has to hold."""
    name = old["metadata"]["name"]
    if (uid := asked.get("uid")) not in (None, "", old["metadata"]["uid"]):
        if not is_patch:
            raise errors.other_uid(resource, name, uid, old["metadata"]["uid"])
        cause = ("metadata.uid", "FieldValueInvalid", f'Invalid value: "{uid}": field is immutable')
        raise errors.invalid(resource.kind, name, [cause], group=resource.group)
    if asked.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
        raise errors.stale(resource, name)


def _combined(request: ApiRequest, old: Object, sent: Object) -> Object:
    """What is stored: of the status only by way of its subresource, and nothing else by that."""
    if request.subresource == "status":
        new: Object = copy.deepcopy({**old, "status": sent.get("status") or {}})
    else:
        new = {**sent, "apiVersion": old["apiVersion"], "kind": old["kind"]}
        if "status" in request.resource.subresources and "status" in old:
            new["status"] = copy.deepcopy(old["status"])
    metadata = dict(new.get("metadata") or {})
    new["metadata"] = metadata
    for field in (*_KEPT_METADATA, "deletionGracePeriodSeconds"):
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
        else:
            metadata.pop(field, None)
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    if "generation" in metadata and new.get("spec") != old.get("spec"):
        metadata["generation"] += 1
    if request.resource is SECRETS:
        encode_secret(new)
    return new


def _how(request: ApiRequest) -> Deletion:
    options = request.options()
    asked = request.number("gracePeriodSeconds")
    preconditions = options.get("preconditions") or {}
    return Deletion(
        grace_seconds=options.get("gracePeriodSeconds") if asked is None else asked,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        orphan="Orphan" in (options.get("propagationPolicy"), request.text("propagationPolicy")),
        dry_run=request.dry_run,
    )
